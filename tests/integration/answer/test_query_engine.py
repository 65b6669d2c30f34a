"""Answers are written or quoted, every citation is checked, and unanswerable questions get an abstention."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.settings import Settings
from tests.encoders import encoder_of
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer

PAGES = [
    page(
        "backup",
        "## One database {#one}\n\nUse pg_dump to write one database to a file:\n\n```sh\npg_dump mydb > mydb.sql\n```\n\n"
        "## All databases {#all}\n\nUse pg_dumpall to write every database of the cluster, roles included, to one file.",
        title="Backup and restore",
    ),
    page("vacuum", "VACUUM reclaims the space of dead rows. Autovacuum runs it for you.", title="Vacuum"),
    page("ssl", "A hostssl line in pg_hba.conf allows only encrypted connections.", title="Encrypted connections"),
]
QUESTION = "How do I write one database to a file?"


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    return empty_engine


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def with_llm(engine: Engine, openai_server: OpenAIServer) -> Iterator[Callable[[str], Engine]]:
    opened = []

    def answering(answer: str, *, key: str = openai_server.key) -> Engine:
        openai_server.answer = answer
        settings = Settings(
            RAG_HOME=engine.settings.home,
            RAG_DATABASE_URL=engine.settings.database_url,
            RAG_LLM="openai/gpt-4o-mini",
            OPENAI_API_KEY=key,
            OPENAI_BASE_URL=openai_server.url,
        )
        opened.append(Engine.open(settings, encoder=encoder_of(engine)))
        return opened[-1]

    yield answering
    for one in opened:
        one.close()


LINES = [f"ALTER TABLE accounts ADD COLUMN balance_{number} numeric NOT NULL DEFAULT 0;" for number in range(24)]
LONG = page(
    "columns",
    "Accounts have a balance for every month and every year. " * 12
    + "\n\nA balance for each month is added to the accounts as follows:\n\n```sql\n"
    + "\n".join(LINES)
    + "\n```\n\nNothing else is needed.",
    title="Balances of accounts",
)


def test_code_in_two_chunks_is_quoted_whole_with_its_introduction(engine: Engine) -> None:
    engine.syncs.ingest(MemorySource([LONG]))
    question = "How do I add a balance for each month to accounts?"
    answer = engine.ask(question)
    assert "as follows:" in answer.answer
    assert "\n".join(LINES) in answer.answer
    assert len({source.chunk_id for source in answer.sources}) == len(answer.sources) > 1
    texts = engine.store.chunks.texts(engine.questions.active_index, [source.chunk_id for source in answer.sources])
    assert all(source.quote in texts[source.chunk_id] for source in answer.sources)


def test_a_model_gets_the_neighbours_and_may_quote_the_whole_code(
    engine: Engine, with_llm: Callable[[str], Engine], openai_server: OpenAIServer
) -> None:
    engine.syncs.ingest(MemorySource([LONG]))
    code = "```sql\n" + "\n".join(LINES) + "\n```"
    answer = with_llm(f"A balance for each month is added to the accounts as follows [1]:\n\n{code} [2]").ask(
        "How do I add a balance for each month to accounts?"
    )
    prompt = str(openai_server.requests[-1].body["messages"][-1]["content"])
    assert all(line in prompt for line in LINES)
    assert code in answer.answer
    assert [source.n for source in answer.sources] == list(range(1, len(answer.sources) + 1))
    texts = engine.store.chunks.texts(engine.questions.active_index, [source.chunk_id for source in answer.sources])
    assert all(any(line in text for text in texts.values()) for line in LINES)


def test_without_a_language_model_the_answering_passage_is_quoted_with_its_code(engine: Engine) -> None:
    answer = engine.ask(QUESTION)
    assert answer.answered
    assert "pg_dump mydb > mydb.sql" in answer.answer
    assert answer.llm == "extractive"
    assert answer.sources[0].url == "https://example.org/backup#one"


def test_every_quote_is_in_the_chunk_that_it_cites(engine: Engine) -> None:
    for question in (QUESTION, "what does autovacuum do?", "encrypted connections only"):
        for source in engine.ask(question).sources:
            assert any(source.quote in result.text for result in engine.search(question, top_k=10))


def test_a_question_without_a_relevant_chunk_is_not_answered(engine: Engine) -> None:
    answer = engine.ask("Who won the 2018 football world cup?")
    assert not answer.answered
    assert "do not answer" in answer.answer
    assert len(answer.sources) == 3


def test_a_written_answer_keeps_its_markers_and_lists_only_cited_sources(with_llm: Callable[[str], Engine]) -> None:
    answer = with_llm("Use pg_dump [1].").ask(QUESTION)
    assert (answer.answered, answer.answer) == (True, "Use pg_dump [1].")
    assert [source.n for source in answer.sources] == [1]
    assert "pg_dump" in answer.sources[0].quote


def test_the_model_sees_the_numbered_text_of_the_chunks(
    with_llm: Callable[[str], Engine], openai_server: OpenAIServer
) -> None:
    with_llm("Use pg_dump [1].").ask(QUESTION)
    prompt = str(openai_server.requests[-1].body["messages"])
    assert "[1] page: Backup and restore" in prompt
    assert "pg_dump mydb > mydb.sql" in prompt


def test_invented_sentences_do_not_reach_the_user(with_llm: Callable[[str], Engine]) -> None:
    answer = with_llm("Use pg_dump [1], or [this tool](https://evil.org/x) [7]. See https://evil.org.").ask(QUESTION)
    assert answer.answer == "Use pg_dump [1], or this tool."
    assert [source.url.partition("#")[0] for source in answer.sources] == ["https://example.org/backup"]


def test_no_answer_of_a_model_is_an_abstention(with_llm: Callable[[str], Engine]) -> None:
    answer = with_llm("NO_ANSWER").ask(QUESTION)
    assert not answer.answered
    assert answer.sources


def test_a_model_is_not_asked_when_nothing_relevant_was_found(
    with_llm: Callable[[str], Engine], openai_server: OpenAIServer
) -> None:
    assert not with_llm("Paris [1].").ask("What is the capital of France?").answered
    assert openai_server.requests == []


def test_a_wrong_key_is_said_beside_extracts(with_llm: Callable[..., Engine]) -> None:
    answer = with_llm("x", key="sk-wrong").ask(QUESTION)
    assert "does not accept OPENAI_API_KEY" in str(answer.note)
    assert "pg_dump mydb > mydb.sql" in answer.answer


def test_a_rate_limit_is_waited_out(with_llm: Callable[[str], Engine], openai_server: OpenAIServer) -> None:
    engine = with_llm("Use pg_dump [1].")
    openai_server.fail_next(429, code="rate_limit_exceeded", headers={"retry-after-ms": "1"})
    assert engine.ask(QUESTION).answered


@pytest.mark.parametrize(
    ("setting", "sentence"), [("gpt-4", "takes openai/NAME"), ("openai/gpt-4o", "needs OPENAI_API_KEY")]
)
def test_an_unusable_language_model_is_a_clear_error(engine: Engine, setting: str, sentence: str) -> None:
    settings = Settings(RAG_HOME=engine.settings.home, RAG_DATABASE_URL=engine.settings.database_url, RAG_LLM=setting)
    with Engine.open(settings) as other, pytest.raises(ConfigurationError, match=sentence):
        other.ask(QUESTION)
