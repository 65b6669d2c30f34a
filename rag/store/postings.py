"""Postings: which chunks hold a term, packed for BM25."""

from __future__ import annotations

from rag.store.indexes import IndexInfo
from rag.store.statements import IndexTables, Reads

__all__ = ["Postings"]

# Autovacuum is enough below this number of rows.
_WORTH_A_VACUUM = 5_000


class Postings(Reads):
    """The terms of an index."""

    def compact(self, index: IndexInfo, source: str, *, thorough: bool = False) -> None:
        """Write the postings of the queued chunks of a source; until then, searches read their terms from the chunks.

        :param thorough: merge every row that can be merged, as after a bulk load
        """
        tables = IndexTables(index).identifiers
        values = {"index": index.name, "source": source, "thorough": thorough}
        with self._database.connection() as connection:
            waiting = connection.execute(self._queries.compose("waiting_postings", tables), values).fetchone()
            if not thorough and not (waiting and waiting[0]):
                return
            with connection.transaction():
                connection.execute(self._queries.compose("lock_postings"), values)
                written = connection.execute(self._queries.compose("compact_postings", tables), values).rowcount
            if thorough and written >= _WORTH_A_VACUUM:
                connection.execute(self._queries.compose("vacuum_postings", tables))

    def queue_all(self, index: IndexInfo) -> None:
        """Queue all chunks of an index, so that the next compaction rebuilds its postings."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(
                self._queries.compose("queue_all_chunks", IndexTables(index).identifiers), {"name": index.name}
            )
