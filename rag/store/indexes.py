"""Indexes: which there are, which is active, and how large each is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rag.errors import ConfigurationError
from rag.store.index_info import IndexInfo, IndexTables
from rag.store.postgres.database import Connection, Database
from rag.store.statements import Reads

__all__ = ["IndexSize", "Indexes", "SourceSizes"]

# How long the sizes of an index are cached; the choice between searches depends on them only roughly.
_SIZES_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class IndexSize:
    """The size of an index; `bytes` includes the database indexes of its tables."""

    documents: int
    chunks: int
    bytes: int


class Indexes(Reads):
    """The indexes of a database; one at most is active."""

    def active(self) -> IndexInfo | None:
        """Return the index that questions are answered from."""
        rows = self._rows("active_index", {})
        return IndexInfo(*rows[0]) if rows else None

    def filled(self) -> IndexInfo:
        """Return the active index.

        :raises ConfigurationError: it holds nothing
        """
        index = self.active()
        if index is None or not self.has_chunks(index):
            raise ConfigurationError("The index is empty. Fill it with: python -m flows.ingest")
        return index

    def all(self) -> list[IndexInfo]:
        """Return every index, the active one first."""
        active = self.active()
        return [*([active] if active else []), *(index for index, _ in self.others())]

    def create(self, index: IndexInfo) -> None:
        """Create an index's tables and register it; the first one becomes the active one."""
        tables = IndexTables(index).identifiers
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("lock_indexes"))
            if connection.execute(self._queries.compose("index_by_name"), {"name": index.name}).fetchone():
                return
            connection.execute(self._queries.compose("create_chunks", tables))
            connection.execute(self._queries.compose("create_postings", tables))
            connection.execute(
                self._queries.compose("insert_index"),
                {
                    "name": index.name,
                    "embedding_model": index.embedding_model,
                    "dimension": index.dimension,
                    "chunking": index.chunking,
                },
            )

    def state(self, index: IndexInfo) -> str:
        """Return a string that changes whenever the content of the index does."""
        return str(self._rows("index_state", {"name": index.name}, index)[0][0])

    def others(self) -> list[tuple[IndexInfo, bool]]:
        """Return the inactive indexes, each with whether it was ever active, the latest first."""
        return [(IndexInfo(*row[:4]), row[4]) for row in self._rows("other_indexes", {})]

    def switch(self, old: IndexInfo, new: IndexInfo) -> None:
        """Make `new` active and keep `old` for a roll-back; an index kept earlier is dropped."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("lock_indexes"))
            for other, was_active in self.others():
                if was_active and other.name != new.name:
                    self._drop(connection, other)
            connection.execute(self._queries.compose("retire_index"), {"name": old.name})
            connection.execute(self._queries.compose("activate_index"), {"name": new.name})

    def expired(self, *, days: int) -> list[IndexInfo]:
        """Return the indexes that were replaced at least this number of days ago."""
        return [IndexInfo(*row) for row in self._rows("expired_indexes", {"days": days})]

    def drop(self, index: IndexInfo) -> None:
        """Remove an index with all its chunks."""
        with self._database.connection() as connection, connection.transaction():
            self._drop(connection, index)

    def _drop(self, connection: Connection, index: IndexInfo) -> None:
        tables = IndexTables(index).identifiers
        connection.execute(self._queries.compose("delete_index"), {"name": index.name})
        connection.execute(self._queries.compose("drop_chunks", tables))
        connection.execute(self._queries.compose("drop_postings", tables))

    def has_chunks(self, index: IndexInfo) -> bool:
        """Return whether an index holds any chunk."""
        return bool(self._rows("has_chunks", {}, index))

    def size(self, index: IndexInfo) -> IndexSize:
        """Return the size of an index."""
        tables = IndexTables(index)
        values = {"name": index.name, "chunks": tables.chunks, "postings": tables.postings}
        return IndexSize(*self._rows("index_size", values)[0])


class SourceSizes(Reads):
    """How many chunks each source has in an index, a few seconds old at most."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._sizes: dict[str, tuple[float, dict[str, int]]] = {}

    def by_source(self, index: IndexInfo) -> dict[str, int]:
        """Return the numbers of chunks by source."""
        known = self._sizes.get(index.name)
        if known is None or known[0] < time.monotonic():
            sizes = dict(self._rows("source_sizes", {"name": index.name}))
            known = self._sizes[index.name] = (time.monotonic() + _SIZES_SECONDS, sizes)
        return known[1]

    def forget(self) -> None:
        """Discard the cached sizes."""
        self._sizes.clear()
