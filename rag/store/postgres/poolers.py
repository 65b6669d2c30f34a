"""Poolers between this program and Postgres: one in transaction mode would lose the locks and settings of a session."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.rows import TupleRow

from rag.errors import ConfigurationError
from rag.store.postgres.failures import answered_in_time
from rag.store.postgres.queries import Queries

__all__ = ["refuse_transaction_pooling"]

Connection = psycopg.Connection[TupleRow]

_ATTEMPTS = 3
# A pooler whose connections are all in use lets a client wait.
_SECONDS = 10.0


def refuse_transaction_pooling(connection: Connection, connect: Callable[[], Connection], queries: Queries) -> None:
    """Refuse a connection whose server process changes from one transaction to the next.

    A pooler gives its clients a process number of its own. In session mode a client keeps its server process as long as
    it is connected; in transaction mode the process serves another client meanwhile.

    :param connect: opens a second connection
    :raises ConfigurationError: the pooler is in transaction mode, or in statement mode
    """
    if _process(connection, queries) == connection.info.backend_pid:
        return
    for _ in range(_ATTEMPTS):
        if mode := _other_mode(connection, connect, queries):
            raise ConfigurationError(
                f"RAG_DATABASE_URL leads to a pooler in {mode} mode, such as pgbouncer, which loses the locks of a "
                "session. Use its session mode (pool_mode = session), or the port of Postgres itself."
            )


def _other_mode(connection: Connection, connect: Callable[[], Connection], queries: Queries) -> str | None:
    """Return the mode of a pooler, None if it seems to be session mode."""
    before = _process(connection, queries)
    try:
        with connect() as other, answered_in_time(other, _SECONDS), other.transaction():
            is_shared = _process(other, queries) == before
    except psycopg.Error as error:
        if "statement pooling" in str(error):  # it refuses transactions
            return "statement"
        raise
    return "transaction" if is_shared or _process(connection, queries) != before else None


def _process(connection: Connection, queries: Queries) -> int:
    row = connection.execute(queries.compose("server_process")).fetchone()
    assert row is not None
    return int(row[0])
