"""Which failures of language models mean that the prompt is too long, and which are retried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core.llms import ChatMessage

from rag.errors import ContextTooLong, LLMError
from rag.llm.clients import open_llm
from rag.llm.failures import is_too_long, translating_errors
from tests.servers.openai import OpenAIServer, Reply


def message(text: str, **fields: object) -> dict[str, object]:
    return {"error": {"message": text, **fields}}


#: as servers say it, by the shapes of their bodies
TOO_LONG = [
    (400, message("It does not fit.", code="context_length_exceeded")),
    (400, message("This model's maximum context length is 4096 tokens.")),
    (400, message("the request exceeds the available context size (4096)", type="exceed_context_size_error")),
    (500, message("the request exceeds the available context size", code=500)),
    (500, message("Requested tokens (3000) exceed context window of 2048")),
    (400, {"object": "error", "message": "max_tokens must be at least 1, got -12.", "type": "BadRequestError"}),
    (422, {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000"}),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000 `inputs` tokens"}),
    (400, {"code": "invalid", "error": "This model's maximum prompt length is 131072 but it has 137812 tokens."}),
    (400, {"message": "Input is too long for requested model."}),
    (400, {"object": "error", "message": "Prompt contains 40000 tokens, too large for model with 32768"}),
    (400, {"message": "The sum of prompt length (5000.0) should not exceed max_num_tokens (4096)"}),
    (400, {"error": "The number of tokens to keep is greater than the context length."}),
    (400, {"message": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."}),
    (400, message("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error")),
    (400, message("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")),
    (413, message("Request too large for model `x`: Limit 6000, Requested 9000", code="rate_limit_exceeded")),
    (413, message("Request body too large for gpt-4o-mini model. Max size: 8000 tokens.", code="tokens_limit_reached")),
    (400, message("Please reduce the length of the messages or completion.")),
    (400, message("too many tokens: total number of tokens in the prompt cannot exceed 4081")),
    (400, message("Range of input length should be [1, 30720]")),
    (400, message("Your request exceeded model token limit: 8192")),
    (400, {"detail": [{"msg": "prompt does not fit into the context"}]}),
    (200, message("the prompt is larger than the context window")),
    (400, message("Prompt 超长", code="1210")),
    (413, "Payload Too Large"),
    (413, "<html><title>413 Request Entity Too Large</title></html>"),
    (500, {"detail": "Tokens: 5000 > max 4096"}),
    (400, message("litellm.ContextWindowExceededError: OpenAIException")),
    (424, message("Too long context", code="context_length")),
    (400, message("n_tokens (5000) > n_ctx (4096)")),
    (400, message("Expected maxLength: 200000, actual: 258497, please reformat your input and try again.")),
    (200, {"base_resp": {"status_code": 2013, "status_msg": "invalid params, context window exceeds limit"}}),
    (200, message("Provider returned error", code=400, metadata={"raw": "prompt is too long: 210000 tokens"})),
    (400, {"detail": "This request has 9000 prompt tokens which is beyond the model's limit of 8192"}),
    (500, message("Prompt length 5000 is more than the max length 4096")),
    (422, {"detail": "Input validation error: prompt: prompt_too_long"}),
    (400, message("Please reduce your prompt; or completion length.")),
    (
        429,
        message(
            "Request too large for x on tokens per min (TPM): Limit 10000, Requested 14000.", code="rate_limit_exceeded"
        ),
    ),
    (400, message("'max_tokens' is too large: 1024. This model's maximum context length is 4096 tokens.")),
]
OTHER = [
    (400, message("temperature: Input should be less than or equal to 2")),
    (400, message("Unsupported parameter: 'stop'")),
    (500, message("CUDA error")),
    (400, message("Invalid API token")),
    (422, {"detail": [{"loc": ["body", "model"], "msg": "field required"}]}),
    (403, message("The token has no access to this model.")),
    (400, message("max_tokens is too large: 100000. This model supports at most 16384 completion tokens.")),
    (400, message("messages[0].name: string too long")),
    (400, message("stop: too many stop sequences in the input, at most 4")),
]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def ask(server: OpenAIServer) -> str:
    llm = open_llm("openai/gpt-4o-mini", api_key=server.key, base_url=server.url)
    assert llm is not None
    with translating_errors("the model"):
        return llm.chat([ChatMessage(role="user", content="Is it?")]).message.content or ""


def test_a_prompt_that_is_too_long_is_recognised_and_not_sent_again(server: OpenAIServer) -> None:
    for status, body in TOO_LONG:
        sent = len(server.requests)
        server.reply_next(Reply(status, body))
        with pytest.raises(ContextTooLong, match="RAG_CONTEXT_WINDOW"):
            ask(server)
        assert len(server.requests) == sent + 1, body


def test_other_failures_are_not_taken_for_it(server: OpenAIServer) -> None:
    for status, body in OTHER:
        server.reply_next(*[Reply(status, body, {"retry-after-ms": "1"})] * (3 if status == 500 else 1))
        with pytest.raises(LLMError) as caught:
            ask(server)
        assert not isinstance(caught.value, ContextTooLong), body


@pytest.mark.parametrize("said", ["a", "token ", "exceed ", "context " * 20 + "x", "input "])
def test_hostile_messages_take_bounded_time(said: str) -> None:
    assert not is_too_long(said * 100_000) or "exceed" in said


@pytest.mark.parametrize(
    "body",
    [message("You exceeded your current quota, please check your plan and billing details."),
     message("Out", code="insufficient_quota"), {"error": "Insufficient Balance"}],
)  # fmt: skip
def test_an_exhausted_quota_is_reported_at_once(server: OpenAIServer, body: dict[str, object]) -> None:
    server.reply_next(*[Reply(429, body)] * 3)
    with pytest.raises(LLMError, match="has no quota left"):
        ask(server)
    assert len(server.requests) == 1


def test_a_pause_that_is_too_long_is_not_waited_for(server: OpenAIServer) -> None:
    server.fail_next(503, headers={"retry-after": "3600"}, times=3)
    with pytest.raises(LLMError, match="HTTP 503"):
        ask(server)
    assert len(server.requests) == 1
