"""HNSW indexes (approximate nearest neighbours): one over all chunks, and one for each large source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from psycopg import sql

from rag.store.index_info import IndexInfo, IndexTables
from rag.store.indexes import SourceSizes
from rag.store.postgres.database import Database
from rag.store.statements import Reads

__all__ = ["LARGE_SOURCE", "VectorIndexes", "has_own_hnsw"]

#: A source of at most this many chunks is searched exactly, by reading all its vectors: 1 to 2 ms a thousand. A larger
#: source gets its own HNSW index if it is at most a fifth of the index. Above that share the HNSW index of all chunks
#: finds its chunks as well (measured with half of a million), and the vectors need not be indexed twice.
LARGE_SOURCE = 10_000
_LARGE_SHARE = 0.2
# HNSW parameters m and ef_construction, by size. At 25,000 chunks, 12 and 48 recall 99.3% of the ten nearest and
# pgvector's defaults, 16 and 64, recall 99.4%, but building takes 0.57 of the time.
_LARGE_INDEX = 30_000
_LARGE_LINKS, _LARGE_BUILD = 24, 200
_LINKS, _BUILD = 12, 48
# Overhead in bytes per vector while an HNSW index is built, and the limit of maintenance_work_mem in MB.
_HNSW_OVERHEAD = 700
_HNSW_MOST_MEMORY = 4096


class VectorIndexes(Reads):
    """Builds the HNSW indexes that an index of chunks needs."""

    def __init__(self, database: Database, sizes: SourceSizes) -> None:
        super().__init__(database)
        self._sizes = sizes

    def build(self, index: IndexInfo) -> None:
        """Build the HNSW indexes that are missing or outgrown: one over all chunks, one for each large source."""
        tables = IndexTables(index)
        self._sizes.forget()
        sizes = self._sizes.by_source(index)
        total = sum(sizes.values())
        self._build(index, tables.hnsw, "create_hnsw", total, {})
        for source, chunks in sizes.items():
            if has_own_hnsw(chunks, total):
                digest = hashlib.sha256(source.encode()).hexdigest()[:8]
                self._build(
                    index, f"{tables.hnsw}_{digest}", "create_hnsw_of_source", chunks, {"source": sql.Literal(source)}
                )

    def _build(
        self, index: IndexInfo, name: str, query: str, chunks: int, identifiers: Mapping[str, sql.Composable]
    ) -> None:
        links, build = (_LARGE_LINKS, _LARGE_BUILD) if chunks >= _LARGE_INDEX else (_LINKS, _BUILD)
        if self._links(name) >= links:
            return  # checked without taking the locks of a build
        shape = {"hnsw": sql.Identifier(name), "links": sql.Literal(links), "build": sql.Literal(build)}
        tables = {**IndexTables(index).identifiers, **identifiers, **shape}
        with self._database.connection() as connection, connection.transaction():
            if self._database.embedded:  # the memory of an external server is its administrator's to assign
                needed = chunks * (2 * index.dimension + _HNSW_OVERHEAD) // 2**20 + 64
                values = {"memory": f"{min(needed, _HNSW_MOST_MEMORY)}MB", "workers": str(os.cpu_count() or 1)}
                connection.execute(self._queries.compose("prepare_build"), values)
            connection.execute(self._queries.compose("lock_build"), {"name": name})
            built = self._links(name)
            if built >= links:
                return  # another process was faster
            outgrown = {"hnsw": sql.Identifier(name), "outgrown": sql.Identifier(f"{name}_outgrown")}
            if built:  # for fewer chunks; searches use it until the new one is complete
                connection.execute(self._queries.compose("set_hnsw_aside", outgrown))
            connection.execute(self._queries.compose(query, tables))
            if built:
                connection.execute(self._queries.compose("drop_outgrown_hnsw", outgrown))

    def is_built(self, index: IndexInfo) -> bool:
        """Return whether the index of all chunks' vectors exists."""
        return bool(self._rows("has_relation", {"name": IndexTables(index).hnsw})[0][0])

    def _links(self, name: str) -> int:
        """Return the parameter m of an HNSW index, 0 if it does not exist."""
        return next((links for (links,) in self._rows("hnsw_links", {"name": name})), 0)


def has_own_hnsw(chunks: int, total: int) -> bool:
    """Return whether a source of this number of chunks gets its own HNSW index."""
    return LARGE_SOURCE < chunks <= total * _LARGE_SHARE
