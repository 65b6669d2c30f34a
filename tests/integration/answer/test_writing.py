"""Answers by a language model: context windows, modes, streaming, follow-ups, and invalid replies."""

# ruff: noqa: RUF001 - letters of other languages

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.answer.answer import Answer, Turn
from rag.answer.answering import ABSTENTION
from rag.engine import Engine
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


def test_a_context_window_that_is_too_small_is_said(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    server.fail_next(400, code="context_length_exceeded", times=8)
    answer = writing().ask(QUESTION)
    assert answer.note == (
        "This answer is quoted from the sources, because the sources do not fit the context window of openai/gpt-4o-mini."
    )
    assert len(server.requests) == 2


def test_paragraphs_are_streamed_after_they_are_checked(writing: Callable[..., Engine]) -> None:
    said = f"{SENTENCE}\n\nThe moon is made of cheese [2].\n\nOne database is written to a file by pg_dump [2]."
    *paragraphs, answer = writing(said).questions.ask_stream(QUESTION)
    assert isinstance(answer, Answer)
    assert "".join(map(str, paragraphs)).strip() == answer.answer
    assert len([piece for piece in map(str, paragraphs) if piece.strip()]) == 2
    assert "cheese" not in answer.answer


def test_a_sentence_is_shown_before_the_next_is_written(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    go_on = threading.Event()

    def chunks() -> Iterator[dict[str, object]]:
        yield delta(f"{SENTENCE} After")
        assert go_on.wait(60)
        yield delta(" that, one database is written to a file [2].")

    server.stream_next(chunks())
    pieces = writing().questions.ask_stream(QUESTION)
    assert next(pieces) == SENTENCE
    go_on.set()
    *rest, answer = pieces
    assert isinstance(answer, Answer)
    assert answer.answer == SENTENCE + "".join(map(str, rest)).rstrip()


def test_a_llamaindex_program_can_stream_too(writing: Callable[..., Engine]) -> None:
    response = writing().questions.query_engine(streaming=True).query(QUESTION)
    assert "".join(response.response_gen).strip() == SENTENCE


def test_a_follow_up_is_condensed_before_it_is_searched(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    condensed = "How does pg_dump write one database to a file?"

    def says(messages: Messages) -> str:
        return condensed if "The last question" in messages[-1]["content"] else SENTENCE

    answer = writing(says).ask("and how to a file?", history=[Turn("What is pg_dump?", "A program [1].")])
    assert answer.answered
    assert answer.question == "and how to a file?"
    assert "What is pg_dump?" in prompts(server)[0]
    assert f"Question: {condensed}" in prompts(server)[1]


def test_a_follow_up_that_cannot_be_condensed_is_searched_with_the_question_before_it(
    writing: Callable[..., Engine], server: OpenAIServer
) -> None:
    engine = writing()
    server.fail_next(401)
    answer = engine.ask("and to which one?", history=[Turn(QUESTION)])
    assert (answer.answer, answer.note) == (SENTENCE, None)


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


EVENTS = {"content-type": "text/event-stream"}


def completion(content: object = "", **choice: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, **choice}]}


def events(*chunks: dict[str, object], end: str = "data: [DONE]\n\n") -> str:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end


def delta(content: str) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}


#: replies without an answer, and the reason that the user reads
FAILURES = [
    (Reply(200, "<html>a proxy's page</html>", {"content-type": "text/html"}), "not a chat completion"),
    (Reply(200, {"choices": []}), "not a chat completion"),
    (Reply(200, {"choices": None}), "not a chat completion"),
    (Reply(200, {"choices": ["?"]}), "not a chat completion"),
    (Reply(200, {"error": {"message": "no GPU"}}), "failed: no GPU"),
    (Reply(200, {"error": "no GPU"}), "failed: no GPU"),
    (Reply(200, {"detail": "no GPU"}), "failed: no GPU"),
    (Reply(200, {"choices": [{"error": {"code": 502, "message": "upstream"}}]}), "failed: upstream"),
    (Reply(200, "null"), "not a chat completion"),
    (Reply(200, "[]"), "not a chat completion"),
    (Reply(200, ""), "not a chat completion"),
    (Reply(200, completion("")), "wrote nothing"),
    (Reply(200, completion(" \n ")), "wrote nothing"),
    (Reply(200, completion(None, finish_reason="length")), "was cut off"),
    (Reply(200, completion(SENTENCE[:20], finish_reason="length")), "was cut off"),
    (Reply(200, completion("", finish_reason="content_filter")), "content filter"),
    (Reply(200, completion([{"type": "thinking", "thinking": "Hm."}])), "wrote nothing"),
    (Reply(200, {"choices": [{"message": {"content": None, "refusal": "No."}}]}), "refused to answer"),
    (Reply(200, completion(f"<think>It says {SENTENCE}")), "cut off before it had written an answer"),
    (Reply(200, "data: nonsense\n\n", EVENTS), "not a chat completion"),
    (Reply(200, events(), EVENTS), "wrote nothing"),
    (Reply(200, events({"error": {"message": "overloaded"}}), EVENTS), "failed: overloaded"),
    (Reply(200, events(delta(SENTENCE), end=""), EVENTS), "stopped in the middle"),
    (Reply(403, "<html>forbidden</html>"), "HTTP 403"),
]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_reply_without_an_answer_is_neither_an_answer_nor_an_abstention(
    writing: Callable[..., Engine], server: OpenAIServer, streaming: bool
) -> None:
    engine = writing()
    for reply, reason in FAILURES:
        server.reply_next(reply)
        answer = asked(engine, streaming=streaming)
        assert answer.answered
        assert reason in (answer.note or ""), reply
        assert answer.answer.endswith(f"]\n\n{answer.note}")
        assert "\n" not in str(answer.note)


@pytest.mark.parametrize("streaming", [False, True])
def test_replies_of_other_shapes_are_read(
    writing: Callable[..., Engine], server: OpenAIServer, streaming: bool
) -> None:
    engine = writing()
    for reply in [
        Reply(200, completion([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": SENTENCE}])),
        Reply(200, completion(["Use pg_dump to write one database", {"type": "text", "text": " to a file [1]."}])),
        Reply(200, {"choices": [{"text": SENTENCE}]}),
        Reply(200, json.dumps(completion(SENTENCE), indent=1)),
        Reply(200, events(delta(SENTENCE), {"choices": None}, {"usage": {}}), EVENTS),
        Reply(
            200,
            events({"choices": []}, delta(SENTENCE), {"choices": [{"delta": {}, "finish_reason": "stop"}]}, end=""),
            EVENTS,
        ),
        Reply(200, ": ping\n\nevent: message\n" + events(completion(SENTENCE)), EVENTS),
    ]:
        server.reply_next(reply)
        assert asked(engine, streaming=streaming).answer == SENTENCE, reply


def asked(engine: Engine, *, streaming: bool) -> Answer:
    if not streaming:
        return engine.ask(QUESTION)
    *_, answer = engine.questions.ask_stream(QUESTION)
    assert isinstance(answer, Answer)
    return answer


def test_what_was_streamed_before_a_failure_stays(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    engine = writing()
    server.reply_next(Reply(200, events(delta(f"{SENTENCE}\n\nUse pg_dump"), end=""), EVENTS))
    assert asked(engine, streaming=True).answer == (
        f"{SENTENCE}\n\nThe answer ends here, because openai/gpt-4o-mini stopped in the middle of its answer."
    )


def test_an_answer_of_which_nothing_holds_is_replaced_by_extracts(writing: Callable[..., Engine]) -> None:
    answer = writing("The moon is made of cheese [1]. Use --frobnicate to write a file [2].").ask(QUESTION)
    assert answer.answer.startswith("Use pg_dump with option number")
    assert answer.note == (
        "This answer is quoted from the sources, because what openai/gpt-4o-mini wrote is not supported by the sources."
    )


@pytest.mark.parametrize(
    "said",
    ["NO_ANSWER", "no_answer", "**No answer.**", "The sources do not contain the answer to this question [1].",
     "I'm sorry, but the provided sources don't mention that.", "Die Quellen enthalten dazu keine Angaben.",
     "\u0412 источниках нет ответа на этот вопрос."],
)  # fmt: skip
def test_a_model_may_say_that_the_sources_do_not_answer(writing: Callable[..., Engine], said: str) -> None:
    answer = writing(said).ask(QUESTION)
    assert (answer.answered, answer.answer, answer.note) == (False, ABSTENTION, None)


@pytest.mark.parametrize(("status", "requests"), [(503, 3), (429, 3), (408, 3), (400, 1), (401, 1)])
def test_requests_are_retried_in_one_layer(
    writing: Callable[..., Engine], server: OpenAIServer, status: int, requests: int
) -> None:
    server.fail_next(status, headers={"retry-after-ms": "1"}, times=20)
    assert writing().ask(QUESTION).note
    assert len(server.requests) == requests


def test_an_exhausted_quota_is_not_retried(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    server.fail_next(429, code="insufficient_quota", times=20)
    assert "has no quota left" in str(writing().ask(QUESTION).note)
    assert len(server.requests) == 1


def test_a_model_that_is_too_slow_is_not_waited_for(writing: Callable[..., Engine], server: OpenAIServer) -> None:
    server.fail_next(500, delay=1.0, times=20)
    assert "did not answer in time" in str(writing(RAG_LLM_TIMEOUT=0.1).ask(QUESTION).note)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Gömülü veritabanını nasıl durdururum?", "Gömülü veritabanını durdurmak için durdurma komutunu çalıştırın."),
        ("Як зупинити вбудовану базу даних?", "Щоб зупинити вбудовану базу даних, виконайте команду зупинки."),
        ("איך עוצרים את מסד הנתונים המוטמע?", "כדי לעצור את מסד הנתונים המוטמע, הריצו את פקודת העצירה."),
    ],
)
def test_in_another_language_the_model_decides_whether_the_sources_answer(
    writing: Callable[..., Engine], empty_engine: Engine, server: OpenAIServer, question: str, text: str
) -> None:
    empty_engine.syncs.ingest(MemorySource([*PAGES, page("database", text)]))
    engine = writing(lambda messages: f"{text} [{numbered(text, messages)}]")
    assert text in engine.ask(question).answer
    server.answer = "NO_ANSWER"
    assert engine.ask(question).answer.startswith(ABSTENTION)


def numbered(text: str, messages: Messages) -> str:
    """The number of the source with a text."""
    before = str(messages[-1]["content"]).partition(text)[0]
    return re.findall(r"^\[(\d+)\] page: ", before, re.MULTILINE)[-1]
