"""What servers that speak the OpenAI API say instead of an answer, case by case, from tests/fixtures/models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from rag.errors import ContextTooLong, LLMError
from rag.llm.clients import open_llm
from rag.llm.failures import translating_errors
from tests.servers.openai import OpenAIServer, Reply

FIXTURES = Path(__file__).parents[2] / "fixtures" / "models"


def _cases(name: str) -> list[Any]:
    cases: list[Any] = json.loads((FIXTURES / name).read_text())["cases"]
    return cases


def _whole(content: object, reason: str = "stop", **choice: object) -> str:
    message = {"role": "assistant", "content": content}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": reason, **choice}]})


def _stream(*events: object, done: bool = True) -> str:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""])


def _chunk(text: str) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


#: bodies of each case of model-failures.json
FAILURES = {
    "content null, finish_reason length": (_whole(None, "length"),),
    "content missing": (json.dumps({"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}),),
    "finish_reason content_filter, content empty": (_whole("", "content_filter"),),
    "content empty": (_whole(""),),
    "choices null": (json.dumps({"choices": None}),),
    'status 200 with {"error": "…"}': (json.dumps({"error": "out of memory"}),),
    "status 200 with choices[0].error": (_whole("", error={"message": "upstream failed", "code": 502}),),
    "status 200, HTML": ("<!doctype html><html><body>Log in</body></html>",),
    "status 200, [] or null": ("[]", "null"),
    "stream with only [DONE]": (_stream(),),
    "stream cut in the middle": (_stream(_chunk("Set pool"), done=False),),
    "stream chunk with choices null or without the key": (_stream({"choices": None}), _stream({"object": "chunk"})),
}
#: the cases that are answers in another shape
ANSWERS = {
    "content a list of parts, one of them text": (_whole([{"type": "image_url"}, {"type": "text", "text": "Yes."}]),),
    "whole JSON completion in reply to a stream request": (_whole("Yes."),),
}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def _said(server: OpenAIServer, *, stream: bool) -> str:
    llm = open_llm("openai/gpt-4o-mini", api_key=server.key, base_url=server.url)
    assert llm is not None
    question = [ChatMessage(role="user", content="Is it?")]
    with translating_errors("the model"):
        if stream:
            return "".join(part.delta or "" for part in llm.stream_chat(question))
        return llm.chat(question).message.content or ""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", _cases("model-failures.json"))
def test_what_is_no_answer_is_one_line_and_an_answer_in_another_shape_is_read(
    server: OpenAIServer, case: str, stream: bool
) -> None:
    for body in (*FAILURES.get(case, ()), *ANSWERS.get(case, ())):
        server.reply_next(Reply(200, body))
        if case in ANSWERS:
            assert _said(server, stream=stream) == "Yes."
        else:
            with pytest.raises(LLMError) as caught:
                _said(server, stream=stream)
            assert "\n" not in str(caught.value)
    assert server.requests, f"{case} has no body here"


@pytest.mark.parametrize(
    "reason",
    ["length", "MAX_TOKENS", "model_length", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "sensitive", "refusal", "abort",
     "network_error", "insufficient_system_resource", "malformed_function_call", "timeout"],
)  # fmt: skip
def test_a_reply_that_ended_early_is_no_answer_whatever_the_vendor_calls_it(server: OpenAIServer, reason: str) -> None:
    for body in (
        _whole("Part of it", reason),
        _stream(_chunk("Part"), _chunk("") | {"choices": [{"finish_reason": reason}]}),
    ):
        server.reply_next(Reply(200, body))
        with pytest.raises(LLMError):
            _said(server, stream=True)


@pytest.mark.parametrize("reason", ["stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "", None])
def test_a_reply_that_ended_by_itself_is_an_answer(server: OpenAIServer, reason: str | None) -> None:
    server.reply_next(Reply(200, "\ufeff" + _whole("Yes.", reason)))  # type: ignore[arg-type]
    assert _said(server, stream=False) == "Yes."


@pytest.mark.parametrize("case", _cases("context-too-long.json"), ids=lambda case: case["server"])
def test_a_prompt_that_is_too_long_is_told_from_other_failures(server: OpenAIServer, case: dict[str, Any]) -> None:
    server.reply_next(Reply(case["status"], case["body"]))
    with pytest.raises(ContextTooLong):
        _said(server, stream=False)
    assert len(server.requests) == 1
