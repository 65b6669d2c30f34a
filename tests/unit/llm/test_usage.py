"""The tokens and the cost of language model calls."""

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


def test_usage_adds_up_the_calls_of_an_answer() -> None:
    count = UsageCount()
    count.add(reply(1000, 200))
    count.add(reply(500, 100))
    assert count.total() == Usage(1500, 300, None)
    assert count.total((2.0, 10.0)) == Usage(1500, 300, pytest.approx(0.006))


def test_a_call_without_reported_usage_makes_the_sum_unknown() -> None:
    count = UsageCount()
    count.add(reply(1000, 200))
    count.add({"usage": None})
    assert count.total((2.0, 10.0)) == Usage(None, None, None)


def test_usage_without_calls_is_none() -> None:
    assert UsageCount().total((2.0, 10.0)) is None


def test_only_calls_within_the_context_are_counted(llm: LLM) -> None:
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


def test_nested_contexts_count_separately(llm: LLM) -> None:
    with counted() as outer:
        with counted() as inner:
            call(llm)
        call(llm)
    assert inner.total() == outer.total()


def test_closing_a_stream_in_another_context_raises_nothing() -> None:
    def stream() -> Iterator[int]:
        with counted():
            yield 1

    reading = stream()
    assert contextvars.copy_context().run(next, reading) == 1
    reading.close()  # type: ignore[attr-defined]
