"""Token counts and cost of the language model calls for one answer.

Free of LlamaIndex: `rag.llm.usage_listener` reports the calls, and `open_llm` registers it with the first model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rag.models import Usage

__all__ = ["UsageCount", "count_call", "counted"]

_TOKENS_PER_PRICE = 1_000_000


class UsageCount:
    """The token counts of some calls."""

    def __init__(self) -> None:
        #: tokens read and written; None for a call whose server did not report them
        self._calls: list[tuple[int, int] | None] = []

    def add(self, reply: object) -> None:
        """Add a call.

        :param reply: the server's reply, a dict or an object, with token counts under "usage" if it reports them
        """
        usage = _member(reply, "usage")
        read, written = _member(usage, "prompt_tokens"), _member(usage, "completion_tokens")
        self._calls.append((read, written) if isinstance(read, int) and isinstance(written, int) else None)

    def total(self, price: tuple[float, float] | None = None) -> Usage | None:
        """Return the sum of the calls, with unknown counts if those of any call are; None without calls.

        :param price: US dollars for a million tokens read, and for a million written
        """
        if not self._calls:
            return None
        known = [call for call in self._calls if call]
        if len(known) < len(self._calls):
            return Usage()
        read, written = (sum(side) for side in zip(*known, strict=True))
        cost = None if price is None else (read * price[0] + written * price[1]) / _TOKENS_PER_PRICE
        return Usage(read, written, cost)


_count: ContextVar[UsageCount | None] = ContextVar("usage_count", default=None)


@contextmanager
def counted() -> Iterator[UsageCount]:
    """Count the calls in this context; the block must be left in the context that entered it."""
    count = UsageCount()
    token = _count.set(count)
    try:
        yield count
    finally:
        _count.reset(token)


def count_call(reply: object) -> None:
    """Add a call to the count of the current context, if there is one; see `UsageCount.add`."""
    count = _count.get()
    if count is not None:
        count.add(reply)


def _member(container: object, name: str) -> object:
    return container.get(name) if isinstance(container, dict) else getattr(container, name, None)
