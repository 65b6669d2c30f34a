"""What the flows of one process share: an engine, a thread for its work, and somebody who watches how it gets on."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import cache
from pathlib import Path
from typing import TypeVar

import rag
from rag.engine import Engine
from rag.models import SyncReport
from rag.settings import Settings

__all__ = ["Watcher", "in_thread", "program", "shared_engine", "watched_by", "watcher"]

#: Called with the name of a source, and a report so far or a sentence.
Watcher = Callable[[str, SyncReport | str], None]

T = TypeVar("T")

_lock = threading.Lock()
_engine: Engine | None = None
_users = 0

_watcher: ContextVar[Watcher] = ContextVar("watcher", default=lambda _name, _news: None)


@contextmanager
def shared_engine(settings: Settings | None = None) -> Iterator[Engine]:
    """Join the engine that this process has open, or open one; the last to leave closes it.

    So a model is loaded once for all sources of a run.

    :param settings: for an engine that has to be opened; read from the environment and .env if None
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
    """Run blocking work in a thread, so that the event loop lives.

    Unlike `asyncio.to_thread`, it does not hold up the end of the process when it was cancelled: what the engine has
    not committed by then is done by the next run.
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
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="engine", daemon=True).start()
    return await done


@contextmanager
def watched_by(watch: Watcher) -> Iterator[None]:
    """Let somebody see how the syncs started from here get on."""
    token = _watcher.set(watch)
    try:
        yield
    finally:
        _watcher.reset(token)


def watcher() -> Watcher:
    """Return who watches."""
    return _watcher.get()


@cache
def program() -> str:
    """Return a digest of the program: what another version has made is no result of this one."""
    package = Path(rag.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*package.rglob("*.py"), *package.parent.glob("sql/**/*.sql"), *package.glob("sql/**/*.sql")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
