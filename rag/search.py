"""Hybrid search: dense and BM25 candidates from one statement, fused, one result a document.

Free of LlamaIndex, whose import costs more than the whole search; `rag.retriever` is its LlamaIndex face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.models import Filters, IndexInfo, SearchResult
from rag.provenance import thread_of, voices_of
from rag.store import Candidate, Store

__all__ = ["Searcher", "fuse"]

# How many candidates each side brings; the fused best ten change in under 1% of queries beyond this.
_CANDIDATES = 100
# Of the fused score, how much the vectors have to say. Between 0.4 and 0.6 hardly anything changes.
_DENSE_SHARE = 0.5


class QueryEncoder(Protocol):
    """What makes a question's vector."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score in [0, 1]."""

    candidate: Candidate
    score: float


class Searcher:
    """Search one index.

    :param encoder: makes vectors in the same space as the index's
    :param filters: what every search is narrowed to
    """

    def __init__(
        self, store: Store, index: IndexInfo, encoder: QueryEncoder, *, filters: Filters | None = None
    ) -> None:
        self._store = store
        self._index = index
        self._encoder = encoder
        self._filters = filters or Filters()

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, per_document: int = 1
    ) -> list[SearchResult]:
        """Return the best chunks, best first.

        :param source: search this source only, whatever the filters say
        :param per_document: at most so many chunks of one document
        """
        embedding = self._encoder.encode_query(question)
        filters = replace(self._filters, source=source) if source is not None else self._filters
        candidates = self._store.search(
            self._index, question=question, embedding=embedding, filters=filters, candidates=_CANDIDATES
        )
        best = _spread(fuse(candidates), top_k, per_document)
        rows = self._store.chunks_by_id(self._index, [ranked.candidate.id for ranked in best])
        return [
            SearchResult(
                rank=rank,
                chunk_id=row.node_id,
                document_id=row.document_id,
                url=row.url,
                title=row.title,
                source=row.source,
                kind=row.kind,
                heading=row.heading,
                text=row.text,
                score=ranked.score,
                anchors=tuple((offset, fragment) for offset, fragment in row.anchors),
                voices=voices_of(row.about, row.passages),
                thread=thread_of(row.about),
            )
            for rank, (ranked, row) in enumerate(
                ((ranked, rows[ranked.candidate.id]) for ranked in best if ranked.candidate.id in rows),
                start=1,
            )
        ]


def fuse(candidates: Sequence[Candidate]) -> list[Ranked]:
    """Order candidates by a convex combination of both exact scores.

    Each score is divided by the best one of its side, so a missing side simply counts nothing: the theoretical
    minimum normalisation of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023).
    The best candidate's `score` says how likely it is that the question is answered here at all; the others' fall off
    as their fused scores do.
    """
    if not candidates:
        return []
    top_cosine = max(max(candidate.cosine for candidate in candidates), 1e-6)
    top_bm25 = max(max(candidate.bm25 for candidate in candidates), 1e-6)
    ranked = [
        (
            _DENSE_SHARE * candidate.cosine / top_cosine + (1 - _DENSE_SHARE) * candidate.bm25 / top_bm25,
            candidate,
        )
        for candidate in candidates
    ]
    ranked.sort(key=lambda one: (-one[0], one[1].id))
    scale = relevance(top_cosine, max(candidate.coverage for candidate in candidates)) / ranked[0][0]
    return [Ranked(candidate, score=max(fused * scale, 0.0)) for fused, candidate in ranked]


def relevance(cosine: float, coverage: float) -> float:
    """Return the probability that an index bears on a question, in [0, 1].

    A logistic regression on queries asked of the corpus that they were written for (pull requests of tls13-spec,
    SciFact claims, entries of the PostgreSQL manual's index), and on the same ones asked of another of these corpora.

    :param cosine: the best cosine similarity of any chunk
    :param coverage: the largest share of the question's terms, weighed by idf, that one chunk holds
    """
    return 1 / (1 + math.exp(-(18.7 * cosine + 3.4 * coverage - 10.2)))


def _spread(ranked: Sequence[Ranked], top_k: int, per_document: int) -> list[Ranked]:
    taken: dict[str, int] = {}
    best = []
    for one in ranked:
        document = one.candidate.document_id
        if taken.get(document, 0) < per_document:
            taken[document] = taken.get(document, 0) + 1
            best.append(one)
            if len(best) == top_k:
                break
    return best
