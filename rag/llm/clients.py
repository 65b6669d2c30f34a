"""Language models by a setting: OpenAI, Ollama, any server with the OpenAI API, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError, ContextTooLong, LLMError
from rag.text.lines import one_line

if TYPE_CHECKING:
    import openai
    from llama_index.core.llms import LLM

__all__ = ["EXTRACTIVE", "open_llm", "translating_errors"]

#: The setting for no language model: answers are extracts, quoted from the chunks.
EXTRACTIVE = "extractive"
_OLLAMA_URL = "http://localhost:11434/v1"
_TIMEOUT_SECONDS = 60.0
# The context window, in tokens, assumed for a language model of unknown name; every current chat model has it.
_CONTEXT_WINDOW = 8192
# The messages of servers that send no error code for a prompt that is too long.
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum context|prompt is too long|too many tokens", re.IGNORECASE
)


def open_llm(
    setting: str, *, api_key: str | None, base_url: str | None, context_window: int | None = None
) -> LLM | None:
    """Return the language model of a setting, or None for "extractive".

    :param setting: `extractive`, `openai/NAME` or `ollama/NAME`
    :param context_window: in tokens, prompt and answer together; None for the known window of the language model
    :raises ConfigurationError: the setting is not valid, or the API key is missing
    """
    if setting == EXTRACTIVE:
        return None
    provider, _, name = setting.partition("/")
    if not name or provider not in ("openai", "ollama"):
        raise ConfigurationError(f"RAG_LLM is {setting!r}; it takes openai/NAME, ollama/NAME or extractive.")
    if provider == "openai" and not api_key:
        raise ConfigurationError(f"RAG_LLM is {setting!r}, which needs OPENAI_API_KEY. Set it, or RAG_LLM=extractive.")

    from llama_index.llms.openai.utils import ALL_AVAILABLE_MODELS

    from rag.llm.usage_listener import listen

    listen()
    if provider == "openai" and base_url is None and context_window is None and name in ALL_AVAILABLE_MODELS:
        from llama_index.llms.openai import OpenAI

        return OpenAI(model=name, temperature=0.0, api_key=api_key, timeout=_TIMEOUT_SECONDS, max_retries=3)

    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=name,
        temperature=0.0,
        # The OpenAI key is sent to Ollama's server only if OPENAI_BASE_URL names it.
        api_key=(api_key if provider == "openai" or base_url else None) or "unused",
        api_base=base_url or (_OLLAMA_URL if provider == "ollama" else None),
        timeout=_TIMEOUT_SECONDS,
        max_retries=3,
        is_chat_model=True,
        context_window=context_window or ALL_AVAILABLE_MODELS.get(name, _CONTEXT_WINDOW),
    )


@contextmanager
def translating_errors(model: str) -> Iterator[None]:
    """Raise the errors of the openai client as LLMError, with one sentence that says what to do.

    :raises ContextTooLong: the prompt does not fit the context window
    :raises LLMError: the server cannot be reached, refuses the request, or replies with anything but a chat completion
    """
    import httpx
    import openai

    try:
        yield
    except openai.OpenAIError as error:
        if isinstance(error, openai.BadRequestError) and _is_too_long(error):
            raise ContextTooLong(
                f"The sources do not fit the context window of {model}. Set RAG_CONTEXT_WINDOW to its size in tokens, "
                "or answer from fewer chunks (--top-k)."
            ) from error
        raise LLMError(_explanation(error, model)) from error
    except httpx.HTTPError as error:
        raise LLMError(f"{model} stopped in the middle of its answer. Try again.") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # The clients raise these on a reply that is not a chat completion: a proxy's error page, or other JSON.
        raise LLMError(f"The reply of {model} is not a chat completion. Check OPENAI_BASE_URL.") from error


def _is_too_long(error: openai.BadRequestError) -> bool:
    return error.code == "context_length_exceeded" or bool(_TOO_LONG.search(error.message))


def _explanation(error: openai.OpenAIError, model: str) -> str:
    import openai

    match error:
        case openai.AuthenticationError():
            return f"{model} does not accept OPENAI_API_KEY. Check the key, or set RAG_LLM=extractive."
        case openai.RateLimitError():
            return f"{model} is over its rate limit or quota, after retries. Wait, or set RAG_LLM=extractive."
        case openai.NotFoundError():
            return f"{model} is not known to the server. Check RAG_LLM and OPENAI_BASE_URL."
        case openai.APITimeoutError():
            return f"{model} did not answer in time, after retries."
        case openai.APIConnectionError():
            return f"{model} cannot be reached. Check OPENAI_BASE_URL and the network."
        case openai.APIStatusError():
            return f"{model} refused the request with HTTP {error.status_code}: {one_line(error.message)[:200]}"
        case _:
            return f"{model} failed: {one_line(error)[:200]}"
