"""Run the named queries of sql/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from rag.errors import DatabaseAway, DatabaseUnavailable
from rag.store.index_info import IndexInfo, IndexTables
from rag.store.postgres.database import Connection, Database
from rag.store.postgres.failures import answered_in_time, storable_values
from rag.store.postgres.queries import Queries

__all__ = ["Reads", "Writes", "repeated"]

T = TypeVar("T")


class Reads:
    """A part of the store that borrows a connection for each query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = database.queries

    def _rows(self, name: str, values: Mapping[str, object], index: IndexInfo | None = None) -> list[tuple[Any, ...]]:
        tables = IndexTables(index).identifiers if index else None
        return self._fetch(self._queries.compose(name, tables), values)

    def _fetch(self, statement: bytes | sql.Composed | sql.SQL, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        def fetch() -> list[tuple[Any, ...]]:
            with storable_values(), self._database.connection() as connection, answered_in_time(connection):
                return connection.execute(statement, values).fetchall()

        return repeated(fetch)

    def _change(self, name: str, values: Mapping[str, object]) -> int:
        """Run a statement that changes rows, in a transaction of its own; return the number of rows changed."""
        with storable_values(), self._database.connection() as connection:
            return connection.execute(self._queries.compose(name), values).rowcount


class Writes:
    """A part of a transaction: everything done through it commits together or not at all."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    def _run(
        self, name: str, values: Mapping[str, object], index: IndexInfo | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        tables = IndexTables(index).identifiers if index else None
        return self._connection.execute(self._queries.compose(name, tables), values)


def repeated(read: Callable[[], T]) -> T:
    """Return the result of a read, repeated once if the connection was lost: a restart of the server costs nothing."""
    try:
        return read()
    except DatabaseAway:  # it was waited for already
        raise
    except DatabaseUnavailable:
        return read()
