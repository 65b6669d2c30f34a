"""Postings: which chunks hold a term, packed for BM25."""

from __future__ import annotations

from rag.errors import Unstorable
from rag.store.index_info import IndexInfo, IndexTables
from rag.store.statements import Reads

__all__ = ["Postings"]

# Autovacuum is enough below this number of rows.
_WORTH_A_VACUUM = 5_000


class Postings(Reads):
    """The terms of an index."""

    def compact(self, index: IndexInfo, source: str, *, thorough: bool = False) -> list[int]:
        """Write the postings of the queued chunks of a source; until then, searches read their terms from the chunks.

        :param thorough: merge every row that can be merged, as after a bulk load
        :returns: the ids of the chunks whose postings the database refused; they stay queued
        """
        if not thorough and not self._rows("waiting_postings", {"source": source}, index)[0][0]:
            return []
        try:
            written = self._compact(index, source, None, thorough=thorough)
        except Unstorable:
            queued = [row[0] for row in self._rows("queued_chunks", {"source": source}, index)]
            return self._compact_apart(index, source, queued)
        if thorough and written >= _WORTH_A_VACUUM:
            with self._database.connection() as connection:
                connection.execute(self._queries.compose("vacuum_postings", IndexTables(index).identifiers))
        return []

    def _compact_apart(self, index: IndexInfo, source: str, chunks: list[int]) -> list[int]:
        """Write the postings of chunks in halves, until the chunk that is refused is alone."""
        refused = []
        half = len(chunks) // 2 or 1
        for part in filter(None, (chunks[:half], chunks[half:])):
            try:
                self._compact(index, source, part, thorough=False)
            except Unstorable:
                refused += self._compact_apart(index, source, part) if len(part) > 1 else part
        return refused

    def _compact(self, index: IndexInfo, source: str, chunks: list[int] | None, *, thorough: bool) -> int:
        """Write the postings of some queued chunks, or of all; return the number of rows written."""
        tables = IndexTables(index).identifiers
        values = {"index": index.name, "source": source, "thorough": thorough, "chunks": chunks}
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("lock_postings"), values)
            return connection.execute(self._queries.compose("compact_postings", tables), values).rowcount

    def queue_all(self, index: IndexInfo) -> None:
        """Queue all chunks of an index, so that the next compaction rebuilds its postings."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(
                self._queries.compose("queue_all_chunks", IndexTables(index).identifiers), {"name": index.name}
            )
