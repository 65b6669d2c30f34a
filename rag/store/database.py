"""A migrated Postgres, the embedded one or yours, and a pool of connections to it.

Nothing above this module can tell an embedded server from an external one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from rag.errors import DatabaseError
from rag.store.embedded import embedded_dsn
from rag.store.migrations import migrate
from rag.store.queries import Queries, sql_folder
from rag.text.lines import one_line

__all__ = ["Connection", "Database"]

Connection = psycopg.Connection[TupleRow]


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
        self._first = [first]  # pop and append are atomic, so threads may race for it
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
        """Borrow a connection in autocommit mode.

        The pool and its threads start when a second connection is needed at the same time, so that a command that
        asks one question does not pay for them.
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
        """Return the versions of Postgres and pgvector, the latter as installed in the database."""
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
        # libpq repeats a malformed URL, with its password, in its message.
        said = (
            "RAG_DATABASE_URL is not a valid postgresql:// URL" if "://" in str(error) else one_line(error).rstrip(".")
        )
        raise DatabaseError(f"Postgres cannot be reached: {said.rstrip('?')}. Check RAG_DATABASE_URL.") from None


def _configure(connection: Connection, queries: Queries) -> None:
    from pgvector.psycopg import register_vector

    register_vector(connection)
    connection.execute(queries.compose("load_pgvector"))
    connection.execute(queries.compose("configure_session"))
