"""Language models by a setting: OpenAI, Ollama, any server with the OpenAI API, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.errors import ConfigurationError

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

__all__ = ["EXTRACTIVE", "TIMEOUT", "open_llm"]

#: The setting for no language model: answers are extracts, quoted from the chunks.
EXTRACTIVE = "extractive"
_OPENAI_URL = "https://api.openai.com/v1"
_OLLAMA_URL = "http://localhost:11434/v1"
#: seconds; a model on this machine may have to be loaded first
TIMEOUT = 60.0
# The context window, in tokens, assumed for a language model of unknown name; every current chat model has it.
_CONTEXT_WINDOW = 8192


def open_llm(
    setting: str,
    *,
    api_key: str | None,
    base_url: str | None,
    context_window: int | None = None,
    timeout: float = TIMEOUT,
) -> LLM | None:
    """Return the language model of a setting, or None for "extractive".

    :param setting: `extractive`, `openai/NAME` or `ollama/NAME`
    :param context_window: in tokens, prompt and answer together; None for the known window of the language model
    :param timeout: seconds for a whole reply, or between two parts of a streamed one
    :raises ConfigurationError: the setting is not valid, or the API key is missing
    """
    if setting == EXTRACTIVE:
        return None
    provider, _, name = setting.partition("/")
    if not name or provider not in ("openai", "ollama"):
        raise ConfigurationError(f"RAG_LLM is {setting!r}; it takes openai/NAME, ollama/NAME or extractive.")
    if provider == "openai" and not api_key:
        raise ConfigurationError(f"RAG_LLM is {setting!r}, which needs OPENAI_API_KEY. Set it, or RAG_LLM=extractive.")

    import openai
    from llama_index.llms.openai.utils import ALL_AVAILABLE_MODELS

    from rag.llm.chat import STREAM_TIMEOUTS, ChatModel
    from rag.llm.usage_listener import listen
    from rag.net.bounded import bounded

    listen()
    return ChatModel(
        model=name,
        temperature=0.0,
        # The OpenAI key is sent to Ollama's server only if OPENAI_BASE_URL names it.
        api_key=(api_key if provider == "openai" or base_url else None) or "unused",
        api_base=base_url or (_OLLAMA_URL if provider == "ollama" else _OPENAI_URL),
        timeout=timeout,
        max_retries=0,  # ChatModel retries
        http_client=bounded(openai.DefaultHttpxClient(timeout=timeout), whole=STREAM_TIMEOUTS * timeout),
        is_chat_model=True,
        context_window=context_window or ALL_AVAILABLE_MODELS.get(name, _CONTEXT_WINDOW),
    )
