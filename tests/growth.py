"""How the time that a text takes grows with its length."""

from __future__ import annotations

import time
from collections.abc import Callable

_SHORT, _LONG = 20_000, 80_000


def takes_linear_time(read: Callable[[str], object], text: str) -> bool:
    """Whether four times as many repetitions of a text take less than eight times as long; quadratic time is 16 times.

    Times below 50 ms count as 50 ms, and the shortest of three runs counts, since other programs run beside the tests.
    """
    short, long = (text * (size // len(text)) for size in (_SHORT, _LONG))
    return _seconds(read, long) < 8 * max(_seconds(read, short), 0.05)


def _seconds(read: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        started = time.process_time()
        read(text)
        times.append(time.process_time() - started)
    return min(times)
