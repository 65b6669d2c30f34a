"""A migrated Postgres, the embedded one or yours, and a pool of connections to it.

Nothing above this module can tell an embedded server from an external one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types import TypeInfo
from psycopg_pool import ConnectionPool, PoolTimeout

from rag.errors import ConfigurationError, DatabaseError, DatabaseUnavailable
from rag.store.postgres.embedded import embedded_dsn, embedded_failure
from rag.store.postgres.failures import answered_in_time, translated
from rag.store.postgres.migrations import migrate
from rag.store.postgres.outages import Outage, Server, state_after
from rag.store.postgres.poolers import refuse_transaction_pooling
from rag.store.postgres.queries import Queries, sql_folder
from rag.store.postgres.schemas import Schema, open_schema
from rag.text.lines import one_line
from rag.trust.secrets import MASK
from rag.trust.urls import checked

__all__ = ["Connection", "Database"]

Connection = psycopg.Connection[TupleRow]

log = logging.getLogger(__name__)

# How long a question waits for a connection while all are in use.
_POOL_SECONDS = 10.0
# After how long of this wait the server is looked at.
_SUSPECT_SECONDS = 1.0
# How long a server may take to answer that it is there.
_CHECK_SECONDS = 2
# A silent server is given up after 20 s. Texts are sent and read in UTF-8, whatever the role or the database prefers.
_LINE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "client_encoding": "UTF8",
}


class Database:
    """A migrated Postgres with pgvector, and a pool of connections to it.

        with Database.open(url=None, home=Path("~/.rag").expanduser()) as database, database.connection() as connection:
            connection.execute("SELECT 1")

    :param dsn: a libpq connection string or URL
    :param embedded: whether the server is the one inside the wheel
    :param restart: starts the server again, if it was killed, and returns the connection string
    :param failure_reason: returns why the server cannot be reached, if it knows
    :raises DatabaseError: the server cannot be reached or lacks pgvector
    """

    def __init__(
        self,
        dsn: str,
        *,
        embedded: bool,
        max_connections: int = 8,
        restart: Callable[[], str] | None = None,
        failure_reason: Callable[[], str | None] | None = None,
    ) -> None:
        self.dsn = dsn
        self.embedded = embedded
        self.queries = Queries(sql_folder() / "queries")
        self._restart = restart or (lambda: dsn)
        self._outage = Outage(self._look, first=Server.STARTING if restart else Server.AWAY)
        self._failure_reason = failure_reason or (lambda: None)
        first = _connect(dsn)
        try:
            with translated():
                refuse_transaction_pooling(first, partial(_connect, dsn), self.queries)
                self._schema = Schema.found(first, self.queries) if embedded else open_schema(first, self.queries)
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
        restart, failure_reason = partial(embedded_dsn, home), partial(embedded_failure, home)
        return cls(embedded_dsn(home), embedded=True, restart=restart, failure_reason=failure_reason)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Borrow a connection in autocommit mode, which answered when it was last looked at.

        The pool and its threads start when a second connection is needed at the same time, so that a command that
        asks one question does not pay for them.

        :raises DatabaseError: the database refuses a statement of the block
        :raises DatabaseAway: no connection can be had
        """
        first = self._usable_first()
        with self._with_reason(), translated():
            if first is None:
                with self._pooled() as connection:
                    yield connection
                return
            try:
                yield first
            finally:
                self._first.append(first)

    @contextmanager
    def _pooled(self) -> Iterator[Connection]:
        """Borrow a connection of the pool."""
        pool = self._started_pool()
        connection = self._awaited(pool)
        try:
            with connection:
                yield connection
        finally:
            pool.putconn(connection)

    def _awaited(self, pool: ConnectionPool[Connection]) -> Connection:
        """Take a connection out of the pool, waiting for one while all are in use and while the server restarts."""
        until = time.monotonic() + _POOL_SECONDS
        while True:
            self._outage.wait()
            try:
                return pool.getconn(timeout=_SUSPECT_SECONDS)
            except PoolTimeout:
                if time.monotonic() > until:
                    raise
                self._outage.suspect()

    @contextmanager
    def own_connection(self) -> Iterator[Connection]:
        """Open a connection that belongs to the block alone, for locks: its end releases them."""
        connection = _connect(self._restart())
        try:
            with translated():
                self._configure(connection)
                yield connection
            # Postgres notices a closed connection some time later, and the next statement may need the locks.
            with suppress(psycopg.Error):
                connection.rollback()
        finally:
            connection.close()

    @contextmanager
    def _with_reason(self) -> Iterator[None]:
        """Say why the server is away, if it is known."""
        try:
            yield
        except DatabaseUnavailable as error:
            if reason := self._failure_reason():
                raise DatabaseError(reason) from error
            raise

    def _usable_first(self) -> Connection | None:
        try:
            first = self._first.pop()
        except IndexError:
            return None
        with suppress(psycopg.Error, DatabaseError):
            self._check(first)
            return first
        first.close()
        return None

    def _check(self, connection: Connection) -> None:
        """Raise an error unless the server answers."""
        started = time.monotonic()
        try:
            with answered_in_time(connection, _CHECK_SECONDS):
                ConnectionPool.check_connection(connection)
        except (psycopg.Error, DatabaseError):
            self._outage.suspect(started)
            raise

    def _look(self) -> Server:
        """Return what the server does, after starting it if it is the embedded one.

        :raises DatabaseError: it is away
        """
        dsn = self._restart()
        try:
            psycopg.connect(dsn, **{**_LINE, "connect_timeout": _CHECK_SECONDS}).close()
        except psycopg.Error as error:
            if (state := state_after(error)) is Server.AWAY:
                raise DatabaseError(f"Postgres cannot be reached: {_reason(error, dsn)}.") from None
            return state
        return Server.UP

    def _started_pool(self) -> ConnectionPool[Connection]:
        with self._lock:
            return self._start_pool()

    def _start_pool(self) -> ConnectionPool[Connection]:
        if self._pool is None:
            # It warns of each failed attempt; what they fail by is told by the error of the statement.
            if not log.isEnabledFor(logging.DEBUG):
                logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
            self._pool = ConnectionPool(
                # A function: an embedded server that was killed is started again for the next connection.
                self._restart,
                min_size=1,
                max_size=self._max_connections,
                kwargs={"autocommit": True, **_LINE},
                configure=self._configure,
                check=self._check,
                open=True,
                # A question begins a new attempt, as soon as the server is seen again.
                reconnect_timeout=0,
            )
        return self._pool

    @property
    def schema(self) -> str:
        """The schema of the tables."""
        return self._schema.name

    def _configure(self, connection: Connection) -> None:
        self._schema.search(connection, self.queries)
        _configure(connection, self.queries)

    def version(self) -> dict[str, Any]:
        """Return the versions of Postgres and pgvector, the latter as installed in the database, and its schema."""
        with self.connection() as connection:
            row = connection.execute(self.queries.compose("server_version")).fetchone()
        assert row is not None
        postgres, pgvector, size = row
        return {
            "embedded": self.embedded,
            "postgres": postgres,
            "pgvector": pgvector,
            "schema": self.schema,
            "bytes": size,
        }

    def close(self) -> None:
        """Close every connection. The embedded server stays up, so that the next command starts fast."""
        self._outage.close()
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
        connection = psycopg.connect(dsn, autocommit=True, **_LINE)
    except (psycopg.Error, UnicodeError) as error:
        reason = _reason(error, dsn)
        raise DatabaseError(f"Postgres cannot be reached: {reason}. Check RAG_DATABASE_URL.") from None
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise ConfigurationError(
            f"The database of RAG_DATABASE_URL has the encoding {encoding}, which cannot hold all texts. "
            "Make one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0;"
        )
    return connection


def _reason(error: Exception, dsn: str) -> str:
    """Return why a connection could not be opened, without the parts of the connection string that may be secret."""
    try:
        given = conninfo_to_dict(checked(dsn))
    except (psycopg.Error, ValueError):
        # libpq repeats a malformed URL, or parts of it, in its message.
        return "it is not a valid postgresql:// URL; write % in a password as %25, @ as %40, / as %2F, ? as %3F"
    said = one_line(error).partition(" Is the server running")[0]  # libpq's hint is about its own defaults
    for secret in filter(None, (given.get("password"), given.get("sslpassword"))):
        said = said.replace(str(secret), MASK)
    return said.rstrip(".?")


def _configure(connection: Connection, queries: Queries) -> None:
    """Prepare a connection for vectors and searches; `pgvector.psycopg.register_vector` asks four times as often."""
    from pgvector.psycopg.halfvec import register_halfvec_info
    from pgvector.psycopg.vector import register_vector_info

    register = {"vector": register_vector_info, "halfvec": register_halfvec_info}
    for name, number, array, _ in connection.execute(queries.compose("load_pgvector")):
        register[name](connection, TypeInfo(name, number, array))
    connection.execute(queries.compose("configure_session"))
