"""What language models say they were asked: tokens read and written, and what that costs.

Counted from LlamaIndex's own events, so it holds for any of its language models, however an answer is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMCompletionEndEvent

from rag.models import Usage

__all__ = ["UsageCount", "counted"]

_PER_PRICE = 1_000_000

_counting: ContextVar[UsageCount | None] = ContextVar("counting", default=None)


class UsageCount:
    """The calls of a language model that were made for one thing."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, int] | None] = []

    def add(self, raw: object) -> None:
        """Count a call by what the model's server sent."""
        usage = _part(raw, "usage")
        read, written = _part(usage, "prompt_tokens"), _part(usage, "completion_tokens")
        self._calls.append((read, written) if isinstance(read, int) and isinstance(written, int) else None)

    def total(self, price: tuple[float, float] | None = None) -> Usage | None:
        """Return the sum, unknown if any call's is; None if nothing was asked.

        :param price: US dollars for a million tokens read, and for as many written
        """
        if not self._calls:
            return None
        known = [call for call in self._calls if call]
        if len(known) < len(self._calls):
            return Usage()
        read, written = (sum(side) for side in zip(*known, strict=True))
        cost = None if price is None else (read * price[0] + written * price[1]) / _PER_PRICE
        return Usage(read, written, cost)


@contextmanager
def counted() -> Iterator[UsageCount]:
    """Count the calls that are made from here."""
    _listen()
    count = UsageCount()
    token = _counting.set(count)
    try:
        yield count
    finally:
        _counting.reset(token)


class _Listener(BaseEventHandler):
    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex knows this handler by."""
        return "UsageListener"

    def handle(self, event: BaseEvent, **_: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Count the end of a call."""
        count = _counting.get()
        if count is not None and isinstance(event, LLMChatEndEvent | LLMCompletionEndEvent):
            count.add(event.response.raw if event.response is not None else None)


@cache
def _listen() -> None:
    get_dispatcher().add_event_handler(_Listener())


def _part(whole: object, name: str) -> object:
    return whole.get(name) if isinstance(whole, dict) else getattr(whole, name, None)
