"""Copy everything that is stored into another database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from graphlib import TopologicalSorter

from psycopg import sql

from rag.errors import DatabaseError
from rag.store.index_info import IndexTables
from rag.store.postgres.database import Connection, Database
from rag.store.postgres.queries import Queries
from rag.store.store import Store
from rag.text.lines import one_line

__all__ = ["copy_store"]


def copy_store(here: Database, there: Database, *, progress: Callable[[str], None] | None = None) -> dict[str, int]:
    """Copy everything, as it is now, into another database in one transaction.

    :param there: must be empty
    :param progress: called with the name of each table before its rows are sent
    :returns: the number of rows copied, by table
    :raises DatabaseError: the copy broke off, and nothing of it was kept
    """
    store, target, queries = Store(here), Store(there), here.queries
    indexes = store.indexes.all()
    try:
        with (
            here.connection() as reading,
            reading.transaction(),
            there.connection() as writing,
            writing.transaction(),
        ):
            reading.execute(queries.compose("begin_snapshot"))
            for index in indexes:
                tables = IndexTables(index).identifiers
                writing.execute(queries.compose("create_chunks", tables))
                writing.execute(queries.compose("create_postings", tables))
            copied = _copy_tables(reading, writing, queries, progress)
    except DatabaseError as error:
        raise DatabaseError(f"The copy failed, and no copied data was kept: {one_line(error).rstrip('.')}.") from error
    for index in indexes:
        if store.vectors.is_built(index):
            target.vectors.build(index)
    target.vacuum()
    return copied


def _copy_tables(
    here: Connection, there: Connection, queries: Queries, progress: Callable[[str], None] | None
) -> dict[str, int]:
    tables = {row[0]: row[1:] for row in there.execute(queries.compose("tables")).fetchall()}
    present = {row[0] for row in here.execute(queries.compose("tables")).fetchall()}
    copied = {}
    for name in TopologicalSorter({name: refers for name, (_, _, refers) in tables.items()}).static_order():
        if name in present:
            if progress:
                progress(name)
            columns, sequences, _ = tables[name]
            copied[name] = _copy_table(here, there, queries, name, columns)
            for column in sequences:
                _restart_sequence(there, queries, name, column)
    return copied


def _copy_table(here: Connection, there: Connection, queries: Queries, name: str, columns: Sequence[str]) -> int:
    table = {"table": sql.Identifier(name), "columns": sql.SQL(", ").join(map(sql.Identifier, columns))}
    with here.cursor() as reading, there.cursor() as writing:
        with (
            reading.copy(queries.compose("copy_out", table)) as source,
            writing.copy(queries.compose("copy_in", table)) as target,
        ):
            for data in source:
                target.write(data)
        return writing.rowcount


def _restart_sequence(connection: Connection, queries: Queries, table: str, column: str) -> None:
    identifiers = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
    connection.execute(queries.compose("restart_sequence", identifiers), {"table": table, "column": column})
