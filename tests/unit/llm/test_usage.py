"""The tokens of language model calls, and what they cost."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator

import pytest
from llama_index.core.llms import LLM, ChatMessage

from rag.llm.clients import open_llm
from rag.llm.tokens import Usage
from rag.llm.usage import UsageCount, counted
from tests.servers.openai import OpenAIServer


@pytest.fixture
def llm() -> Iterator[LLM]:
    with OpenAIServer() as server:
        llm = open_llm("openai/gpt-4o-mini", api_key=server.key, base_url=server.url)
        assert llm is not None
        yield llm


def call(llm: LLM) -> None:
    llm.chat([ChatMessage(role="user", content="One two three?")])


def reply(prompt: int, answer: int) -> dict[str, object]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": answer}}


def test_the_calls_of_one_answer_are_added_up() -> None:
    count = UsageCount()
    count.add(reply(1000, 200))
    count.add(reply(500, 100))
    assert count.total() == Usage(1500, 300, None)
    assert count.total((2.0, 10.0)) == Usage(1500, 300, pytest.approx(0.006))


def test_one_call_without_a_report_makes_the_sum_unknown() -> None:
    count = UsageCount()
    count.add(reply(1000, 200))
    count.add({"usage": None})
    assert count.total((2.0, 10.0)) == Usage(None, None, None)


def test_no_call_is_no_usage() -> None:
    assert UsageCount().total((2.0, 10.0)) is None


def test_calls_inside_the_context_are_counted_and_no_others(llm: LLM) -> None:
    call(llm)
    with counted() as count:
        call(llm)
    call(llm)
    with counted() as other:
        pass
    usage = count.total()
    assert usage
    assert usage.prompt_tokens
    assert usage.answer_tokens == 1
    assert other.total() is None


def test_contexts_inside_each_other_count_each_their_own(llm: LLM) -> None:
    with counted() as outer:
        with counted() as inner:
            call(llm)
        call(llm)
    assert inner.total() == outer.total()


def test_a_stream_that_is_closed_in_another_context_ends_quietly() -> None:
    def stream() -> Iterator[int]:
        with counted():
            yield 1

    reading = stream()
    assert contextvars.copy_context().run(next, reading) == 1
    reading.close()  # type: ignore[attr-defined]
