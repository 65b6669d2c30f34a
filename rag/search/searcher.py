"""Hybrid search: dense and BM25 candidates from one statement, ranked, without duplicates.

Free of LlamaIndex, whose import takes longer than a search; `rag.search.retriever` wraps it for LlamaIndex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.search.ranking import Ranked, at_fitted_size, dense_share, document_boosts, fuse, reweighted, spread
from rag.search.results import SearchResult
from rag.store.chunks import FoundChunk
from rag.store.filters import Filters
from rag.store.index_info import IndexInfo
from rag.store.search import Term
from rag.store.store import Store
from rag.text.lines import one_line
from rag.text.spelling import Vocabulary, spelt
from rag.trust.authorship import thread_of, voices_of

__all__ = ["Mode", "QueryEncoder", "Reranker", "Searcher", "mixed"]

#: What results are ranked by: meaning, words, or both.
Mode = Literal["dense", "keyword", "hybrid"]
# The weight of the dense scores; by default it depends on the question.
_SHARES: dict[Mode, float] = {"dense": 1.0, "keyword": 0.0}

# How many dense and how many BM25 candidates are read; more change the best ten in under 1% of queries.
_CANDIDATES = 100
# The size of the pool that is reweighted and searched for twins, at least, and as a multiple of the results wanted.
_POOL, _POOL_SHARE = 30, 3
# Chunks with a smaller cosine distance say the same: 68 of the PostgreSQL manual's 10,760 chunks have such a twin.
_TWIN_DISTANCE = 0.02
# What the vector of a question's subject weighs beside its own.
_SUBJECT_WEIGHT = 0.5
# How often a search is made whose candidates a sync replaces meanwhile.
_ATTEMPTS = 3
# How many results a re-ranker reads.
_RERANKED = 20


class QueryEncoder(Protocol):
    """Embeds questions."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        ...


class Reranker(Protocol):
    """Re-ranks the best results."""

    def order(self, question: str, results: Sequence[SearchResult]) -> list[int]:
        """Return the positions of all results, counted from 0, best first."""
        ...


class Searcher:
    """Searches one index.

    :param encoder: of the index's embedding model
    :param filters: apply to every search
    :param reranker: re-ranks the best results
    :param mode: what the results are ranked by
    """

    def __init__(
        self,
        store: Store,
        index: IndexInfo,
        encoder: QueryEncoder,
        *,
        filters: Filters | None = None,
        reranker: Reranker | None = None,
        mode: Mode = "hybrid",
    ) -> None:
        self._store = store
        #: the index that is searched
        self.index = index
        self._encoder = encoder
        self._filters = filters or Filters()
        self._reranker = reranker
        self._share = _SHARES.get(mode)

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, per_document: int = 1, about: str = ""
    ) -> list[SearchResult]:
        """Return the best chunks, best first.

        :param source: search this source only, instead of the one in the filters
        :param per_document: the most chunks of one document
        :param about: words of the subject that the question belongs to; they weigh half as much as its own
        """
        embedding = self._embedding(question, about)
        filters = replace(self._filters, source=source) if source is not None else self._filters
        wanted = top_k if self._reranker is None else max(top_k, _RERANKED)
        for _ in range(_ATTEMPTS):
            found, is_whole = self._attempt(question, about, embedding, filters, wanted, per_document)
            if is_whole:
                break
        if self._reranker is not None and len(found) > 1:
            found = _reordered(found, self._reranker.order(question, found))
        return found[:top_k]

    def _attempt(
        self,
        question: str,
        about: str,
        embedding: NDArray[np.float32],
        filters: Filters,
        wanted: int,
        per_document: int,
    ) -> tuple[list[SearchResult], bool]:
        """Return the best chunks, and whether all candidates were there when they were read.

        A sync may replace the chunks of a document between two statements: it would be missing.
        """
        candidates = self._store.search.candidates(
            self.index,
            # A term counts as often as it is written.
            question=f"{question}\n{question}\n{about}" if about else question,
            embedding=embedding,
            filters=filters,
            candidates=_CANDIDATES,
        )
        chunks = self._store.search.chunk_count(self.index, filters.source)
        share = dense_share(question) if self._share is None else self._share
        if share == 0:  # no chunk is found that holds no word
            candidates = [candidate for candidate in candidates if candidate.bm25 > 0]
        ranked = at_fitted_size(fuse(candidates, share), chunks)
        return self._best(ranked, wanted, per_document)

    def _embedding(self, question: str, about: str) -> NDArray[np.float32]:
        own = self._encoder.encode_query(question)
        return mixed(own, self._encoder.encode_query(about)) if about else own

    def terms(self, question: str) -> list[Term]:
        """Return the terms of a question, with the number of chunks of the index that hold each."""
        return self._store.search.terms(self.index, question, filters=self._filters)

    @property
    def chunks(self) -> int:
        """The approximate number of chunks of the index."""
        return self._store.search.chunk_count(self.index, None)

    def vocabulary(self) -> Vocabulary:
        """Return the terms of the index, to be found by words that are spelt like them."""
        return self._store.vocabularies.of(self.index, chunks=self.chunks)

    def spelling(self, term: str, like: str) -> str | None:
        """Return how the searched texts write a term of the index: the form nearest to a word; None if none has it."""
        return spelt(term, self._store.vocabularies.texts(self.index, term, source=self._filters.source), like)

    def around(self, results: Sequence[SearchResult], reach: int) -> list[SearchResult]:
        """Return the chunks at most `reach` places before or after the results in their documents, in no order."""
        known = {(result.document_id, result.ordinal) for result in results}
        near = {
            (document, ordinal + step)
            for document, ordinal in known
            for step in range(-reach, reach + 1)
            if ordinal + step >= 0
        }
        return [_result(0, 0.0, row) for row in self._store.chunks.at(self.index, sorted(near - known))]

    def chunks_of(self, document: str, *, most: int) -> list[SearchResult]:
        """Return the first chunks of a document, in order."""
        rows = self._store.chunks.at(self.index, [(document, place) for place in range(most)])
        return [_result(0, 0.0, row) for row in sorted(rows, key=lambda row: row.ordinal)]

    def openings(self, results: Sequence[SearchResult], most: int) -> list[SearchResult]:
        """Return the first chunks of the documents of results, each with the scores of its document's best result.

        Those that are among the results are left out.

        :param most: of so many documents, the best first
        """
        best: dict[str, SearchResult] = {}
        for result in results:
            best.setdefault(result.document_id, result)
        known = {result.document_id for result in results if result.ordinal == 0}
        wanted = [(document, 0) for document in list(best)[:most] if document not in known]
        found = []
        for row in self._store.chunks.at(self.index, wanted) if wanted else ():
            like = best[row.document_id]
            opening = _result(like.rank, like.score, row)
            found.append(replace(opening, cosine=like.cosine, bm25=like.bm25, coverage=like.coverage))
        return found

    def _best(self, ranked: Sequence[Ranked], top_k: int, per_document: int) -> tuple[list[SearchResult], bool]:
        """Return the best chunks after reweighting, without twins, and whether all of the pool were there."""
        size = max(_POOL, _POOL_SHARE * top_k)
        boosts = document_boosts(ranked)
        while True:
            pool = spread(ranked, size, per_document + 1)
            rows = self._store.chunks.by_id(self.index, [chunk.candidate.id for chunk in pool])
            best = spread(reweighted(pool, rows, boosts), top_k, per_document, self._twins(rows))
            if len(best) == top_k or len(pool) < size:
                found = [_found(rank, chunk, rows[chunk.candidate.id]) for rank, chunk in enumerate(best, start=1)]
                return found, len(rows) == len(pool)
            size *= 2  # so many were twins that too few are left

    def _twins(self, rows: Mapping[int, FoundChunk]) -> dict[int, set[int]]:
        """Return for each chunk id the ids of the chunks with the same words or nearly the same vector."""
        twins: dict[int, set[int]] = {chunk: set() for chunk in rows}
        by_text: dict[str, list[int]] = {}
        for chunk, row in rows.items():
            by_text.setdefault(one_line(row.text.casefold()), []).append(chunk)
        pairs = self._store.chunks.near_duplicates(self.index, list(rows), distance=_TWIN_DISTANCE)
        for one, other in [*pairs, *(pair for same in by_text.values() for pair in combinations(same, 2))]:
            twins[one].add(other)
            twins[other].add(one)
        return twins


def mixed(question: NDArray[np.float32], about: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vector of a question within a subject, of unit length.

    :param question: its own vector
    :param about: the vector of the subject, which weighs less
    """
    both: NDArray[np.float32] = question + np.float32(_SUBJECT_WEIGHT) * about
    unit: NDArray[np.float32] = both / np.linalg.norm(both)
    return unit


def _found(rank: int, chunk: Ranked, row: FoundChunk) -> SearchResult:
    found = chunk.candidate
    return replace(_result(rank, chunk.score, row), cosine=found.cosine, bm25=found.bm25, coverage=found.coverage)


def _result(rank: int, score: float, row: FoundChunk) -> SearchResult:
    return SearchResult(
        rank=rank,
        chunk_id=row.node_id,
        document_id=row.document_id,
        url=row.url,
        title=row.title,
        source=row.source,
        kind=row.kind,
        heading=row.heading,
        text=row.text,
        score=score,
        anchors=tuple((offset, fragment) for offset, fragment in row.anchors),
        voices=voices_of(row.about, row.passages),
        thread=thread_of(row.about),
        ordinal=row.ordinal,
    )


def _reordered(results: Sequence[SearchResult], order: Sequence[int]) -> list[SearchResult]:
    """Return results in another order; the scores keep theirs, so the new first result has the best score."""
    if sorted(order) != list(range(len(results))):
        raise ValueError("a re-ranker must return each position once")
    return [
        replace(results[place], rank=rank, score=scored.score)
        for rank, (place, scored) in enumerate(zip(order, results, strict=True), start=1)
    ]
