"""What the flows of one process share: one engine, threads for its blocking work, and a listener for progress."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import rag
from rag.engine import Engine
from rag.ingest.report import SyncReport
from rag.settings import Settings
from rag.trust.logs import mask_logs

__all__ = ["Ended", "ProgressListener", "in_thread", "program", "progress_listener", "reporting_to", "shared_engine"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The report of a sync that has ended."""

    report: SyncReport


#: Called with the name of a source, and its report so far, its last report or a message.
ProgressListener = Callable[[str, SyncReport | Ended | str], None]

T = TypeVar("T")

# Every flow imports this module, in whichever process Prefect runs it.
mask_logs()

_lock = threading.Lock()
_engine: Engine | None = None
_users = 0

_listener: ContextVar[ProgressListener] = ContextVar("progress_listener", default=lambda _name, _news: None)


@contextmanager
def shared_engine(settings: Settings | None = None) -> Iterator[Engine]:
    """Share one open engine between the flows of this process; it is closed when the last block ends.

    The sources of a run thus load the embedding model only once.

    :param settings: used if the engine has to be opened; read from the environment and .env if None
    """
    global _engine, _users
    with _lock:
        if _engine is None:
            _engine = Engine.open(settings)
        engine = _engine
        _users += 1
    try:
        yield engine
    finally:
        with _lock:
            _users -= 1
            if not _users:
                engine.close()
                _engine = None


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a daemon thread.

    Unlike the threads of `asyncio.to_thread`, it does not delay the end of the process after a cancellation; the next
    run does what the engine has not committed.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = context.run(work)
        except BaseException as raised:  # noqa: BLE001 - raised again where it is awaited
            error = raised
        with suppress(RuntimeError):  # the loop is closed, so nothing awaits the result
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="engine", daemon=True).start()
    return await done


@contextmanager
def reporting_to(listener: ProgressListener) -> Iterator[None]:
    """Report the progress of syncs that are started in this block to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def progress_listener() -> ProgressListener:
    """Return the listener of the current context; without one, progress is dropped."""
    return _listener.get()


@cache
def program() -> str:
    """Return a digest of the program's source; results in Prefect's cache are not shared between versions."""
    package = Path(rag.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*package.rglob("*.py"), *package.parent.glob("sql/**/*.sql"), *package.glob("sql/**/*.sql")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
