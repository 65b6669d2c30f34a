"""Language models are opened by a setting, and their errors have messages with a remedy."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from llama_index.core.llms import LLM, ChatMessage

from rag.errors import ConfigurationError, ContextTooLong, LLMError
from rag.llm.clients import EXTRACTIVE, open_llm
from rag.llm.failures import translating_errors
from tests.servers.openai import OpenAIServer, Reply

NO_RETRY = {"x-should-retry": "false"}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def opened(server: OpenAIServer, *, key: str | None = OpenAIServer.key, setting: str = "openai/gpt-4o-mini") -> LLM:
    llm = open_llm(setting, api_key=key, base_url=server.url)
    assert llm is not None
    return llm


def ask(llm: LLM) -> str:
    with translating_errors("gpt-4o-mini"):
        return llm.chat([ChatMessage(role="user", content="Is it?")]).message.content or ""


def test_extractive_means_no_language_model() -> None:
    assert open_llm(EXTRACTIVE, api_key=None, base_url=None) is None


@pytest.mark.parametrize("setting", ["gpt-4o", "openai/", "anthropic/claude", ""])
def test_an_unknown_setting_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="openai/NAME, ollama/NAME or extractive"):
        open_llm(setting, api_key="sk-test", base_url=None)


def test_openai_needs_a_key() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        open_llm("openai/gpt-4o-mini", api_key=None, base_url=None)


def test_the_context_window_is_known_configured_or_assumed() -> None:
    windows = [
        open_llm(setting, api_key="sk-test", base_url=None, context_window=window)
        for setting, window in (("openai/gpt-4o", None), ("openai/gpt-4o", 1234), ("ollama/unheard-of", None))
    ]
    assert [llm and llm.metadata.context_window for llm in windows] == [128_000, 1234, 8192]


def test_the_openai_key_is_sent_to_ollama_only_if_a_server_is_configured(server: OpenAIServer) -> None:
    alone = open_llm("ollama/llama3", api_key="sk-secret", base_url=None)
    assert alone is not None
    assert "sk-secret" not in repr(alone.to_dict()) + str(getattr(alone, "api_key", ""))
    assert ask(opened(server, setting="ollama/llama3")) == "Yes."


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, "rate_limit_exceeded", "rate limit or quota"),
        (404, "model_not_found", "not known to the server"),
        (400, "invalid_value", "refused the request with HTTP 400"),
    ],
)
def test_server_errors_get_a_message_with_a_remedy(server: OpenAIServer, status: int, code: str, message: str) -> None:
    server.fail_next(status, code=code, headers=NO_RETRY, times=8)
    with pytest.raises(LLMError, match=message):
        ask(opened(server))


def test_the_error_names_a_wrong_key(server: OpenAIServer) -> None:
    with pytest.raises(LLMError, match="does not accept OPENAI_API_KEY"):
        ask(opened(server, key="sk-wrong"))


@pytest.mark.parametrize(
    ("code", "message"),
    [("context_length_exceeded", "It failed."), (None, "This model's maximum context length is 4096 tokens.")],
)
def test_a_prompt_that_is_too_long_raises_context_too_long(
    server: OpenAIServer, code: str | None, message: str
) -> None:
    server.fail_next(400, code=code, message=message, headers=NO_RETRY)
    with pytest.raises(ContextTooLong, match="RAG_CONTEXT_WINDOW"):
        ask(opened(server))


@pytest.mark.parametrize("body", ["<html>proxy</html>", {"choices": []}, {"object": "list"}])
def test_the_error_for_an_invalid_completion_names_the_server(
    server: OpenAIServer, body: str | dict[str, object]
) -> None:
    server.reply_next(Reply(200, body))
    with pytest.raises(LLMError, match="OPENAI_BASE_URL"):
        ask(opened(server))


def test_the_error_names_an_unreachable_server() -> None:
    with pytest.raises(LLMError, match="cannot be reached"), translating_errors("gpt-4o-mini"):
        raise openai.APIConnectionError(request=None)  # type: ignore[arg-type]


def test_a_long_message_of_the_server_becomes_one_short_line(server: OpenAIServer) -> None:
    server.fail_next(400, message="line one\nline two " * 50, headers=NO_RETRY)
    with pytest.raises(LLMError) as caught:
        ask(opened(server))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
