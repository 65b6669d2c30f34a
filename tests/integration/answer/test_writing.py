"""Answers by a language model: context windows, modes, streaming, follow-ups, and invalid replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.answer.answer import Answer, Turn
from rag.answer.answering import ABSTENTION
from rag.engine import Engine
from rag.errors import LLMError
from rag.settings import Settings
from tests.encoders import encoder_of
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import Messages, OpenAIServer, Reply

ABOUT = ["compression", "roles", "large objects", "the schema alone", "several jobs", "a custom format"]
PAGES = [
    page(
        f"backup-{number}",
        f"Use pg_dump with option number {number} to write one database to a file. This part is about {about}.",
        title=f"Part {number}: {about}",
    )
    for number, about in enumerate(ABOUT, start=1)
]
QUESTION = "How do I write one database to a file?"
SENTENCE = "Use pg_dump to write one database to a file [1]."


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def writing(empty_engine: Engine, server: OpenAIServer) -> Iterator[Callable[..., Engine]]:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    opened: list[Engine] = []

    def engine(answer: str | Callable[[Messages], str] = SENTENCE, **settings: Any) -> Engine:
        server.answer = answer
        opened.append(
            Engine.open(
                Settings(
                    RAG_HOME=empty_engine.settings.home,
                    RAG_DATABASE_URL=empty_engine.settings.database_url,
                    RAG_LLM="openai/gpt-4o-mini",
                    OPENAI_API_KEY=server.key,
                    OPENAI_BASE_URL=server.url,
                    **settings,
                ),
                encoder=encoder_of(empty_engine),
            )
        )
        return opened[-1]

    yield engine
    for one in opened:
        one.close()


def prompts(server: OpenAIServer) -> list[str]:
    return [str(request.body["messages"][-1]["content"]) for request in server.requests]


def test_compact_asks_once_with_every_source(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    writing().ask(QUESTION)
    (prompt,) = prompts(server)
    assert all(f"[{number}] page: " in prompt for number in range(1, 7))


def test_refine_asks_once_per_source_and_passes_the_previous_answer(
    writing: Callable[..., Engine], server: OpenAIServer
) -> None:
    assert writing(RAG_RESPONSE_MODE="refine").ask(QUESTION).answered
    first, *later = prompts(server)
    assert len(later) == 5
    assert "[2]" not in first
    assert all(SENTENCE in prompt for prompt in later)


def test_tree_summarize_combines_several_answers(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    def says(messages: Messages) -> str:
        prompt = messages[-1]["content"]
        return (
            SENTENCE if "[1] page" in prompt else "It takes option number 4 [4]." if "[4] page" in prompt else SENTENCE
        )

    answer = writing(says, RAG_RESPONSE_MODE="tree_summarize").ask(QUESTION)
    assert answer.answer == SENTENCE
    assert "different parts of the sources" in prompts(server)[-1]
    assert len(prompts(server)) == 3


def test_chunks_that_exceed_the_context_window_are_sent_in_several_prompts(
    writing: Callable[..., Engine], server: OpenAIServer
) -> None:
    assert writing(RAG_CONTEXT_WINDOW=1024).ask(QUESTION).answered
    sizes = [len(prompt) for prompt in prompts(server)]
    assert len(sizes) > 1
    assert max(sizes) < 4 * 1024


def test_a_prompt_too_long_for_the_model_is_retried_at_half_the_size(
    writing: Callable[..., Engine], server: OpenAIServer
) -> None:
    server.fail_next(400, code="context_length_exceeded", message="This model's maximum context length is 512 tokens.")
    assert writing(RAG_CONTEXT_WINDOW=2048).ask(QUESTION).answered


def test_a_context_window_that_is_too_small_is_a_clear_error(
    writing: Callable[..., Engine], server: OpenAIServer
) -> None:
    server.fail_next(400, code="context_length_exceeded", times=3)
    with pytest.raises(LLMError, match="RAG_CONTEXT_WINDOW"):
        writing().ask(QUESTION)


def test_paragraphs_are_streamed_after_they_are_checked(writing: Callable[..., Engine]) -> None:
    said = f"{SENTENCE}\n\nThe moon is made of cheese [2].\n\nOne database is written to a file by pg_dump [2]."
    *paragraphs, answer = writing(said).questions.ask_stream(QUESTION)
    assert isinstance(answer, Answer)
    assert "".join(map(str, paragraphs)).strip() == answer.answer
    assert len(paragraphs) == 2
    assert "cheese" not in answer.answer


def test_a_llamaindex_program_can_stream_too(writing: Callable[..., Engine]) -> None:
    response = writing().questions.query_engine(streaming=True).query(QUESTION)
    assert "".join(response.response_gen).strip() == SENTENCE


def test_a_follow_up_is_condensed_before_it_is_searched(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    def says(messages: Messages) -> str:
        return QUESTION if "The last question" in messages[-1]["content"] else SENTENCE

    answer = writing(says).ask("and where to?", history=[Turn("What is pg_dump?", "A program [1].")])
    assert answer.answered
    assert answer.question == "and where to?"
    assert "What is pg_dump?" in prompts(server)[0]
    assert f"Question: {QUESTION}" in prompts(server)[1]


def test_without_a_language_model_a_follow_up_is_searched_with_the_question_before_it(
    writing: Callable[..., Engine], empty_engine: Engine
) -> None:
    writing()
    assert empty_engine.ask("and to which one?", history=[Turn(QUESTION)]).answered


def test_the_prompt_asks_for_the_language_of_the_question(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    writing("Mit pg_dump wird eine database in ein file geschrieben [1].").ask(QUESTION)
    assert "in the language of the question" in str(server.requests[0].body["messages"][0]["content"])


def test_a_rate_limit_is_waited_out_for_the_time_in_the_reply(
    writing: Callable[..., Engine], server: OpenAIServer
) -> None:
    server.fail_next(429, code="rate_limit_exceeded", headers={"retry-after-ms": "10"})
    assert writing().ask(QUESTION).answered


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "<html>a proxy's page</html>", {"content-type": "text/html"}),
        Reply(200, {"choices": []}),
        Reply(200, {"error": {"message": "no"}}),
        Reply(200, "data: nonsense\n\n", {"content-type": "text/event-stream"}),
    ],
)
def test_an_invalid_reply_is_a_clear_error_or_an_abstention(
    writing: Callable[..., Engine], server: OpenAIServer, reply: Reply
) -> None:
    server.reply_next(reply)
    said = outcome(writing())
    assert said == ABSTENTION or "not a chat completion" in said or "failed" in said
    assert "\n" not in said


def outcome(engine: Engine) -> str:
    """The text that a user reads: the answer, or the message of the error."""
    try:
        return engine.ask(QUESTION).answer
    except LLMError as error:
        return str(error)
