"""Hybrid search of one index in one SQL statement: the nearest chunks and the best by BM25, with exact scores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

import pgvector
from psycopg import sql

from rag.store.chunks import Vector
from rag.store.filters import Filters
from rag.store.hnsw import LARGE_SOURCE, has_own_hnsw
from rag.store.index_info import IndexInfo, IndexTables
from rag.store.indexes import SourceSizes
from rag.store.postgres.database import Connection, Database
from rag.store.postgres.encoding import storable
from rag.store.postgres.failures import answered_in_time
from rag.store.statements import Reads, repeated

__all__ = ["ENTRIES_A_CHUNK", "MANY_ENTRIES", "Candidate", "Search", "Term", "filter_values"]

_ALL = Filters()
# hnsw.ef_search: 400, the default of a connection here, recalls 99.6% of the ten nearest at 100,000 chunks and 95% at a
# million; 1,000, pgvector's limit, recalls 98% there. Beyond _NEIGHBOURS_REACH chunks it grows by a power law.
_NEIGHBOURS, _MOST_NEIGHBOURS = 400, 1_000
_NEIGHBOURS_REACH, _NEIGHBOURS_GROWTH = 100_000, 0.4
#: From this number of chunks on, the scores of common terms are added last, and only for chunks that these terms may
#: raise among the best; below it, planning the extra step takes longer than the step saves.
MANY_ENTRIES = 50_000
#: Looking up one chunk costs as much as reading this many postings entries in order.
ENTRIES_A_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that a search may return, with its exact scores."""

    id: int
    document_id: str
    cosine: float
    bm25: float
    #: the idf-weighted share of the question's terms that the chunk holds, in [0, 1]
    coverage: float


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a question: a word stem, or a whole identifier marked by "="."""

    lexeme: str
    #: how many chunks of the index hold it
    chunks: int
    idf: float


class Search(Reads):
    """Finds candidate chunks."""

    def __init__(
        self,
        database: Database,
        sizes: SourceSizes,
        *,
        many_entries: float = MANY_ENTRIES,
        entries_a_chunk: float = ENTRIES_A_CHUNK,
    ) -> None:
        super().__init__(database)
        self._sizes = sizes
        self._many_entries = many_entries
        self._entries_a_chunk = entries_a_chunk

    def candidates(
        self, index: IndexInfo, *, question: str, embedding: Vector, filters: Filters = _ALL, candidates: int
    ) -> list[Candidate]:
        """Return up to `candidates` chunks by vector and as many by BM25, unordered.

        :param filters: search only documents that match these
        """
        values = {
            "index": index.name,
            "question": storable(question),
            "embedding": pgvector.HalfVector(embedding),
            "candidates": candidates,
            **filter_values(filters),
        }
        words, nearest = self._ways(index, filters)
        # The other word queries need the scores of all chunks.
        of_best = words == "best_words" and self.chunk_count(index, None) >= self._many_entries
        values |= {"many": self._many_entries if of_best else math.inf, "entries_a_chunk": self._entries_a_chunk}
        statement = self._statement(index, words, nearest, of_best=of_best)

        def find() -> list[Candidate]:
            with self.connection(index, filters.source) as connection:
                return [Candidate(*row) for row in connection.execute(statement, values)]

        return repeated(find)

    def terms(self, index: IndexInfo, question: str, *, filters: Filters = _ALL) -> list[Term]:
        """Return the terms of a question, with the number of chunks of the index that hold each."""
        values = {"index": index.name, "question": storable(question), "many": math.inf, **filter_values(filters)}
        return [Term(*row) for row in self._fetch(self._terms_statement(index), values)]

    @cache  # noqa: B019 - a store lives as long as its database
    def _terms_statement(self, index: IndexInfo) -> bytes:
        names = {**IndexTables(index).identifiers, "terms": self.scoring(index, of_best=False)["terms"]}
        return self._queries.compose("question_terms", names).as_bytes()

    def _ways(self, index: IndexInfo, filters: Filters) -> tuple[str, str]:
        """Return the names of the fastest queries by words and by vectors."""
        if replace(filters, source=None) == _ALL:
            return "best_words", self.nearest_query(index, filters.source)
        # An HNSW scan misses too many matches if fewer than a twentieth of the chunks match.
        most = max(LARGE_SOURCE, sum(self._sizes.by_source(index).values()) // 20)
        names = {"wanted": self._queries.compose("wanted"), **IndexTables(index).identifiers}
        rows = self._fetch(self._queries.compose("count_wanted", names), {**filter_values(filters), "most": most + 1})
        few = not rows or rows[0][0] <= most
        return ("best_words_of_few", "nearest_of_few") if few else ("best_words_of_many", "nearest_of_many")

    @contextmanager
    def connection(self, index: IndexInfo, source: str | None) -> Iterator[Connection]:
        """Borrow a connection whose hnsw.ef_search suits the size of the index.

        :raises DatabaseError: the database refused or went away
        """
        neighbours = self._neighbours(index, source)
        with self._database.connection() as connection, answered_in_time(connection):
            if neighbours == _NEIGHBOURS:
                yield connection
            else:
                with connection.transaction():
                    connection.execute(self._queries.compose("look_at"), {"neighbours": str(neighbours)})
                    yield connection

    def _neighbours(self, index: IndexInfo, source: str | None) -> int:
        sizes = self._sizes.by_source(index)
        total = sum(sizes.values())
        chunks = 0 if source is None else sizes.get(source, 0)
        searched = chunks if has_own_hnsw(chunks, total) else total
        growth: float = (searched / _NEIGHBOURS_REACH) ** _NEIGHBOURS_GROWTH
        return min(_MOST_NEIGHBOURS, max(_NEIGHBOURS, round(_NEIGHBOURS * growth)))

    def nearest_query(self, index: IndexInfo, source: str | None) -> str:
        """Return the name of the fastest query for the nearest vectors of a source whose recall is at least .95."""
        if source is None:
            return "nearest"
        is_large = self._sizes.by_source(index).get(source, 0) > LARGE_SOURCE
        return "nearest_in_source" if is_large else "nearest_in_small_source"

    def chunk_count(self, index: IndexInfo, source: str | None) -> int:
        """Return the approximate number of chunks of an index, of one source or of all."""
        sizes = self._sizes.by_source(index)
        return sum(sizes.values()) if source is None else sizes.get(source, 0)

    @cache  # noqa: B019 - a store lives as long as its database, and an index has seven
    def _statement(self, index: IndexInfo, words: str, nearest: str, *, of_best: bool = False) -> bytes:
        names = {"wanted": self._queries.compose("wanted"), **IndexTables(index).identifiers}
        names["few"] = self._queries.compose("few", names)
        names |= {
            part: self._queries.compose(way, names) for part, way in (("by_words", words), ("by_meaning", nearest))
        }
        return self._queries.compose("search", names | self.scoring(index, of_best=of_best)).as_bytes()

    def scoring(self, index: IndexInfo, *, of_best: bool) -> dict[str, sql.Composable]:
        """Return the SQL that scores words: for all chunks, or for the best and the nearest only."""
        compose, names = self._queries.compose, IndexTables(index).identifiers
        rare, common = (
            compose("scored", {**names, "these": compose(these)}) for these in ("rare_terms", "common_terms")
        )
        return {
            "terms": compose("terms", {**names, "rare": rare}),
            "bm25": compose("bm25_of_best", {**names, "common": common}) if of_best else compose("bm25_of_all"),
        }


def filter_values(filters: Filters) -> dict[str, object]:
    """Return the filters as the values that the queries of search.sql bind."""
    until = filters.until
    return {
        "source": filters.source and storable(filters.source),
        "kind": filters.kind,
        "label": filters.label and storable(filters.label),
        "state": filters.state,
        "editions": None if filters.editions is None else list(filters.editions),
        "since": filters.since and filters.since.isoformat(),
        # date.max has no next day.
        "before": (until + timedelta(days=1)).isoformat() if until and until < date.max else None,
    }
