"""Work in several threads, which the end of the process interrupts.

The interpreter joins the threads of a ThreadPoolExecutor when it ends, and these first do all that is queued: an ingest
that was interrupted would embed its whole batch, which nobody stores any more.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TypeVar

__all__ = ["in_parallel"]

T = TypeVar("T")
R = TypeVar("R")

_ending = threading.Event()
#: The threads at work, and how long the end of the process waits for each, in seconds.
_working: dict[threading.Thread, float] = {}


def in_parallel(work: Callable[[T], R], items: Iterable[T], *, threads: int, grace: float = 0.0) -> list[R]:
    """Return the result for each item, in order. After an error, what is under way is finished, and the error raised.

    If the process ends meanwhile, the items that no thread has begun are left, and the caller's thread ends with it.

    :param grace: how long the end of the process waits for the items under way, in seconds; native code that returns
        to an interpreter which has ended aborts the process
    """
    left = iter(enumerate(items))
    lock = threading.Lock()
    results: dict[int, R] = {}
    errors: list[BaseException] = []
    stopped = threading.Event()

    def run() -> None:
        while not (errors or stopped.is_set() or _ending.is_set()):
            try:
                with lock:
                    place, item = next(left)
                results[place] = work(item)
            except StopIteration:
                break
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                errors.append(error)
        _working.pop(threading.current_thread(), None)

    workers = [threading.Thread(target=copy_context().run, args=(run,), daemon=True) for _ in range(threads)]
    try:
        for worker in workers:
            _working[worker] = grace
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        stopped.set()
    if _ending.is_set():
        threading.Event().wait()
    if errors:
        raise errors[0]
    return [results[place] for place in range(len(results))]


@atexit.register
def _end() -> None:
    _ending.set()
    for worker, grace in list(_working.items()):
        worker.join(grace)
