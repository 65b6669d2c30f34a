"""Deadlines of blocks: functions that are called if a block has not ended in time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Deadlines"]


class Deadlines:
    """Watches any number of blocks with one thread; a `threading.Timer` would start a thread for each query."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: dict[object, tuple[float, Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None
        self._wakes = math.inf

    @contextmanager
    def within(self, seconds: float, late: Callable[[], None]) -> Iterator[None]:
        """Call `late` in another thread if the block takes longer; never after the block has ended.

        :param late: returns at once, since other deadlines wait meanwhile; raises nothing
        """
        due, block = time.monotonic() + seconds, object()
        with self._changed:
            self._pending[block] = due, late
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif due < self._wakes:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._pending.pop(block, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for block, (due, late) in list(self._pending.items()):
                    if due <= now:
                        del self._pending[block]
                        late()
                self._wakes = min((due for due, _ in self._pending.values()), default=math.inf)
                self._changed.wait(None if self._wakes == math.inf else self._wakes - now)
