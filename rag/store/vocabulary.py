"""The vocabulary of an index, and texts that hold one of its terms."""

from __future__ import annotations

from threading import Lock

from rag.store.index_info import IndexInfo, IndexTables
from rag.store.indexes import Indexes
from rag.store.postgres.database import Database
from rag.store.statements import Reads
from rag.text.spelling import Vocabulary

__all__ = ["Vocabularies"]

# Of how many chunks the terms are read, at most: those of 100,000 take Postgres 1.2 s.
_READ = 100_000
# In how many texts the spelling of a term is looked up.
_TEXTS = 8


class Vocabularies(Reads):
    """The vocabulary of each index, read once for each state of the index."""

    def __init__(self, database: Database, indexes: Indexes) -> None:
        super().__init__(database)
        self._indexes = indexes
        self._known: dict[str, tuple[str, Vocabulary]] = {}
        self._lock = Lock()

    def of(self, index: IndexInfo, *, chunks: int) -> Vocabulary:
        """Return the vocabulary of an index; of a large one, that of a part of its chunks.

        :param chunks: the size of the index
        """
        with self._lock:  # a second question waits instead of reading the same
            state = self._indexes.state(index)
            known = self._known.get(index.name)
            if known is None or known[0] != state:
                share = min(100.0, 100.0 * _READ / max(chunks, 1))
                rows = self._rows("index_terms", {"table": IndexTables(index).chunks, "share": share})
                known = self._known[index.name] = (state, Vocabulary(dict(rows)))
            return known[1]

    def texts(self, index: IndexInfo, term: str, *, source: str | None = None) -> list[str]:
        """Return the headings and texts of a few chunks that hold a term.

        :param source: of this source only
        """
        values = {"term": term, "most": _TEXTS, "source": source}
        return [row[0] for row in self._rows("texts_with_term", values, index)]
