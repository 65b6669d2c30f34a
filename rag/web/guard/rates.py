"""Rates: how many requests a minute one key or address may send."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Rates"]

# More visitors than this at once are forgotten, the longest silent first.
_MOST_VISITORS = 20_000


class Rates:
    """A token bucket for each visitor: a minute's requests at once, and then as they are granted again.

    :param a_minute: requests a minute; 0 for no limit
    :param clock: seconds, monotonic
    """

    def __init__(self, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        #: (tokens left, as of when) by visitor
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, visitor: str) -> int:
        """Count a request; return 0, or after how many seconds the visitor may send one again."""
        if not self._a_minute:
            return 0
        now, a_second = self._clock(), self._a_minute / 60
        left, then = self._buckets.pop(visitor, (float(self._a_minute), now))
        left = min(left + (now - then) * a_second, self._a_minute)
        is_granted = left >= 1
        self._buckets[visitor] = (left - is_granted, now)
        if len(self._buckets) > _MOST_VISITORS:
            self._buckets.popitem(last=False)
        return 0 if is_granted else math.ceil((1 - left) / a_second)
