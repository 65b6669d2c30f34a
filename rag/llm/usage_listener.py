"""Reports the calls of LlamaIndex's language models to `rag.llm.usage`, from LlamaIndex's events."""

from __future__ import annotations

from functools import cache
from typing import Any

from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMCompletionEndEvent

from rag.llm.usage import count_call

__all__ = ["listen"]


@cache
def listen() -> None:
    """Register the listener; once, however often it is called."""
    get_dispatcher().add_event_handler(_UsageListener())


class _UsageListener(BaseEventHandler):
    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex gives this handler."""
        return "UsageListener"

    def handle(self, event: BaseEvent, **_: Any) -> None:  # noqa: ANN401 - the signature of the base class
        """Count a call at its end."""
        if isinstance(event, LLMChatEndEvent | LLMCompletionEndEvent):
            count_call(event.response.raw if event.response is not None else None)
