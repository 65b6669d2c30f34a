"""Usage: the tokens that language models report, and what they cost.

Free of LlamaIndex: `rag.llm.usage_listener` reports the calls, and `open_llm` registers it with the first model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from rag.llm.tokens import Usage

__all__ = ["UsageCount", "count_call", "counted"]

_TOKENS_PER_PRICE = 1_000_000


class UsageCount:
    """The language model calls of one answer."""

    def __init__(self) -> None:
        #: prompt and answer tokens; None for a call whose server did not report them
        self._calls: list[tuple[int, int] | None] = []

    def add(self, reply: object) -> None:
        """Count a call.

        :param reply: the reply of the server, an object or a dict, whose usage may be missing
        """
        usage = _member(reply, "usage")
        prompt, answer = _member(usage, "prompt_tokens"), _member(usage, "completion_tokens")
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


_count: ContextVar[UsageCount | None] = ContextVar("usage_count", default=None)


@contextmanager
def counted() -> Iterator[UsageCount]:
    """Count the calls that are made inside the context."""
    count = UsageCount()
    token = _count.set(count)
    try:
        yield count
    finally:
        # A stream that nobody reads to its end is closed in another context, which has nothing to restore.
        with suppress(ValueError):
            _count.reset(token)


def count_call(reply: object) -> None:
    """Count a call, if it is made inside `counted`; see `UsageCount.add`."""
    count = _count.get()
    if count is not None:
        count.add(reply)


def _member(container: object, name: str) -> object:
    return container.get(name) if isinstance(container, dict) else getattr(container, name, None)
