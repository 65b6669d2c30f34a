"""Work done in threads, ahead of the caller who needs the result."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

__all__ = ["ahead", "in_own_thread"]

# How long an interrupted caller waits for a worker thread; the thread is a daemon and may be waiting out a rate limit.
_JOIN_SECONDS = 2.0

T = TypeVar("T")


def in_own_thread(work: Callable[[T], T], item: T) -> Future[T]:
    """Start work in a daemon thread of its own, so that an interrupted caller need not wait for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(item))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is read
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="embed", daemon=True).start()
    return future


def ahead(
    name: str,
    source: Iterator[T],
    stopped: threading.Event,
    *,
    items: int = 1,
    waiting: Callable[[], None] = lambda: None,
) -> Generator[T]:
    """Yield from an iterator that runs in its own thread, `items` items ahead of the caller and no more.

    An interruption loses what is made and not taken, so the next item is begun only when there is room for it.

    :param name: the name of the thread
    :param stopped: ends the thread and the iteration when it is set
    :param waiting: called now and then while the caller waits for an item
    """
    ready: queue.SimpleQueue[T | BaseException | None] = queue.SimpleQueue()
    room = threading.Semaphore(items)

    def has_room() -> bool:
        while not stopped.is_set():
            if room.acquire(timeout=0.1):
                return True
        return False

    def run() -> None:
        try:
            while has_room():
                ready.put(next(source))
        except StopIteration:
            ready.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the next item is read
            ready.put(error)

    # The thread logs in the caller's context.
    thread = threading.Thread(target=copy_context().run, args=(run,), name=name, daemon=True)
    thread.start()
    try:
        while not stopped.is_set():
            try:
                item = ready.get(timeout=0.5)
            except queue.Empty:
                waiting()
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            room.release()
            yield item
    finally:
        if stopped.is_set():
            thread.join(timeout=_JOIN_SECONDS)
