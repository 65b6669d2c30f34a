"""Logged answers: stored with their chunks, marked when a source changes; failures do not affect the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from rag.engine import Engine
from rag.llm.tokens import Usage
from rag.operate.answer_log import LoggedAnswer
from rag.settings import Settings
from rag.sources import Removed
from tests.encoders import encoder_of
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer

BACKUP = page("backup", "Use pg_dump to write one database to a file.")
VACUUM = page("vacuum", "VACUUM reclaims the space of dead rows.")
QUESTION = "How do I write one database to a file?"


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    empty_engine.syncs.ingest(MemorySource([BACKUP, VACUUM]))
    return empty_engine


def reopened(engine: Engine, **changes: object) -> Engine:
    values = {"RAG_HOME": engine.settings.home, "RAG_DATABASE_URL": engine.settings.database_url}
    return Engine.open(Settings(**{**values, **changes}), encoder=encoder_of(engine))


def logged(engine: Engine, answer: str | None) -> LoggedAnswer:
    found = engine.answer_log.find(UUID(answer))
    assert found
    return found


def stale(engine: Engine) -> list[str]:
    return [answer.question for answer in engine.store.answers.stale()]


def test_an_answer_is_logged_unchanged(engine: Engine) -> None:
    answer = engine.ask(QUESTION)

    kept = logged(engine, answer.id)

    assert kept.answer == answer
    assert (kept.thumb, kept.stale_at, kept.source) == (None, None, None)
    assert answer.sources[0].chunk_id.startswith(BACKUP.id_)


def test_a_secret_in_a_question_reaches_neither_the_model_nor_the_log(engine: Engine) -> None:
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4"
    with OpenAIServer() as server:
        server.answer = "Use pg_dump [1]."
        settings = {"RAG_LLM": "openai/gpt-4o-mini", "OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url}
        with reopened(engine, **settings) as other:
            answer = other.ask(f"{QUESTION} My token is {secret}")
        asked = [str(request.body) for request in server.requests]
    assert asked
    assert all("********" in body and secret not in body for body in asked)
    assert logged(engine, answer.id).answer.question == f"{QUESTION} My token is ********"


def test_searching_logs_nothing(engine: Engine) -> None:
    engine.search(QUESTION)
    assert engine.store.answers.counts().logged == 0


def test_a_setting_turns_the_log_off(engine: Engine) -> None:
    with reopened(engine, RAG_LOG_ANSWERS="off") as other:
        assert other.ask(QUESTION).id is None
    assert engine.store.answers.counts().logged == 0


@pytest.mark.parametrize(
    "change", [page("backup", "Use pg_dumpall to write all databases to a file."), Removed(BACKUP.id_)]
)
def test_a_changed_or_removed_chunk_makes_its_answers_stale_and_no_others(engine: Engine, change: object) -> None:
    engine.ask(QUESTION)
    engine.ask("What does VACUUM reclaim?", top_k=1)

    engine.syncs.ingest(MemorySource([change]))

    assert stale(engine) == [QUESTION]
    status = engine.operations.status()["answers"]
    assert status["stale"] == 1
    assert status["answer_anew"][0]["question"] == QUESTION


def test_added_text_does_not_make_an_answer_stale(engine: Engine) -> None:
    engine.ask(QUESTION)
    longer = "Use pg_dump to write one database to a file.\n\n## Windmills {#windmills}\n\n" + "Windmills turn. " * 60
    engine.syncs.ingest(MemorySource([page("backup", longer)]))
    assert stale(engine) == []


def test_asking_again_supersedes_a_stale_answer(engine: Engine) -> None:
    engine.ask(QUESTION)
    engine.syncs.ingest(MemorySource([page("backup", "Use pg_dumpall to write all databases to a file.")]))

    engine.ask(f"  {QUESTION.upper()} ")

    assert stale(engine) == []
    assert engine.store.answers.counts().logged == 2


def test_the_same_question_with_a_source_filter_is_another_question(engine: Engine) -> None:
    engine.ask(QUESTION)
    engine.ask(QUESTION, source="docs")
    engine.syncs.ingest(MemorySource([Removed(BACKUP.id_)]))
    assert stale(engine) == [QUESTION, QUESTION]


def test_an_answer_given_during_a_sync_is_marked_stale_at_its_end(engine: Engine) -> None:
    index = engine.questions.active_index
    before = engine.store.now()
    answer = engine.ask(QUESTION)
    # A sync whose transaction began before the answer was logged does not see the answer.
    with engine.database.connection() as connection:
        connection.execute(f"UPDATE data_{index.name} SET text = 'Another text' WHERE document_id = %s", [BACKUP.id_])

    engine.store.answers.mark_late_stale(index, before)

    assert logged(engine, answer.id).stale_at


def test_an_answer_whose_chunk_was_removed_meanwhile_is_stale_at_once(engine: Engine) -> None:
    answer = engine.ask(QUESTION)
    engine.syncs.ingest(MemorySource([Removed(BACKUP.id_)]))

    again = engine.answer_log.add(engine.questions.active_index, answer)

    assert logged(engine, again.id).stale_at


def test_a_failure_to_log_is_a_warning_and_the_answer_is_returned(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.database.connection() as connection:
        connection.execute("ALTER TABLE answers RENAME TO elsewhere")

    answer = engine.ask(QUESTION)

    assert answer.answered
    assert answer.id is None
    assert "This answer is not logged" in caplog.text


def test_a_locked_log_delays_an_answer_by_less_than_a_second(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.ask(QUESTION)
    with engine.database.connection() as connection, connection.transaction():
        connection.execute("LOCK TABLE answers IN ACCESS EXCLUSIVE MODE")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(engine.ask(QUESTION)))
        asking.start()
        asking.join(timeout=20)
    assert answers[0].answered
    assert "lock timeout" in caplog.text


def test_answers_are_deleted_after_the_retention_period(engine: Engine) -> None:
    old = engine.ask(QUESTION)
    with engine.database.connection() as connection:
        connection.execute("UPDATE answers SET asked_at = now() - interval '91 days'")

    engine.ask("What does VACUUM reclaim?")

    assert engine.store.answers.counts().logged == 1
    with pytest.raises(AssertionError):
        logged(engine, old.id)


def test_a_sync_deletes_expired_answers(engine: Engine) -> None:
    engine.ask(QUESTION)
    with engine.database.connection() as connection:
        connection.execute("UPDATE answers SET asked_at = now() - interval '91 days'")
    engine.syncs.ingest(MemorySource([]))
    assert engine.store.answers.counts().logged == 0


@pytest.fixture
def chat() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        server.answer = "Use pg_dump [1]."
        yield server


def test_tokens_and_their_cost_are_logged(engine: Engine, chat: OpenAIServer) -> None:
    with reopened(
        engine, OPENAI_API_KEY=chat.key, OPENAI_BASE_URL=chat.url, RAG_LLM="openai/gpt-4o-mini", RAG_LLM_PRICE="1.5 6"
    ) as other:
        answer = other.ask(QUESTION)
        usage = logged(other, answer.id).answer.usage
    assert usage
    assert usage.prompt_tokens
    assert usage.answer_tokens
    assert usage.cost == pytest.approx((usage.prompt_tokens * 1.5 + usage.answer_tokens * 6) / 1e6)


def test_an_extract_uses_no_model(engine: Engine) -> None:
    assert engine.ask(QUESTION).usage is None


def test_without_a_price_the_cost_is_unknown(engine: Engine, chat: OpenAIServer) -> None:
    with reopened(engine, OPENAI_API_KEY=chat.key, OPENAI_BASE_URL=chat.url, RAG_LLM="openai/gpt-4o-mini") as other:
        usage = other.ask(QUESTION).usage
    assert usage is not None
    assert usage == Usage(usage.prompt_tokens, usage.answer_tokens, None)


def test_feedback_is_stored(engine: Engine) -> None:
    answer = engine.ask(QUESTION)
    assert engine.store.answers.rate(UUID(answer.id), "down", better_page="https://example.org/other")
    assert not engine.store.answers.rate(uuid4(), "up")
    kept = logged(engine, answer.id)
    assert (kept.thumb, kept.better_page) == ("down", "https://example.org/other")
    assert [one.answer.id for one in engine.store.answers.down_voted()] == [answer.id]


def test_marking_stale_answers_uses_an_index(engine: Engine) -> None:
    """A sync must not read the whole log for each batch."""
    chunks = {"chunks": sql.Identifier(f"data_{engine.questions.active_index.name}")}
    query = engine.database.queries.compose("mark_answers_stale", chunks)
    with engine.database.connection() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute("EXPLAIN " + query.as_string(connection), {"documents": [BACKUP.id_]}).fetchall()
        connection.execute("RESET enable_seqscan")
    assert "answer_chunks_document" in "\n".join(row[0] for row in plan)
