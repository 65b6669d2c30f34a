"""Usage: the tokens that language models report, and what they cost.

Counted from LlamaIndex's events, so it covers each of its language models and every call that an answer takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMCompletionEndEvent

from rag.models import Usage

__all__ = ["UsageCount", "counted"]

_TOKENS_PER_PRICE = 1_000_000

_counting: ContextVar[UsageCount | None] = ContextVar("counting", default=None)


class UsageCount:
    """The language model calls of one answer."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, int] | None] = []

    def add(self, raw: object) -> None:
        """Count a call.

        :param raw: the reply of the server, an object or a dict, whose usage may be missing
        """
        usage = _part(raw, "usage")
        prompt, answer = _part(usage, "prompt_tokens"), _part(usage, "completion_tokens")
        self._calls.append((prompt, answer) if isinstance(prompt, int) and isinstance(answer, int) else None)

    def total(self, price: tuple[float, float] | None = None) -> Usage | None:
        """Return the sum of all calls; its fields are None if any call reported no usage. None without any call.

        :param price: US dollars per million prompt tokens, and per million answer tokens
        """
        if not self._calls:
            return None
        known = [call for call in self._calls if call]
        if len(known) < len(self._calls):
            return Usage()
        prompt, answer = (sum(side) for side in zip(*known, strict=True))
        cost = None if price is None else (prompt * price[0] + answer * price[1]) / _TOKENS_PER_PRICE
        return Usage(prompt, answer, cost)


@contextmanager
def counted() -> Iterator[UsageCount]:
    """Count the calls that are made inside the context."""
    _listen()
    count = UsageCount()
    token = _counting.set(count)
    try:
        yield count
    finally:
        # A stream that nobody reads to its end is closed in another context, which has nothing to restore.
        with suppress(ValueError):
            _counting.reset(token)


class _Listener(BaseEventHandler):
    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex gives this handler."""
        return "UsageListener"

    def handle(self, event: BaseEvent, **_: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Count a call at its end."""
        count = _counting.get()
        if count is not None and isinstance(event, LLMChatEndEvent | LLMCompletionEndEvent):
            count.add(event.response.raw if event.response is not None else None)


@cache
def _listen() -> None:
    get_dispatcher().add_event_handler(_Listener())


def _part(whole: object, name: str) -> object:
    return whole.get(name) if isinstance(whole, dict) else getattr(whole, name, None)
