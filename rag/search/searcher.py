"""Hybrid search: dense and BM25 candidates from one statement, fused, one result a document.

Free of LlamaIndex, whose import costs more than the whole search; `rag.search.retriever` is its LlamaIndex face.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.models import Filters, IndexInfo, SearchResult
from rag.store.store import Candidate, FoundChunk, Store
from rag.text.words import FUNCTION_WORDS
from rag.trust.authorship import MAINTAINERS, thread_of, voices_of

__all__ = ["Reranker", "Searcher", "fuse"]

# How many candidates each side brings; the fused best ten change in under 1% of queries beyond this.
_CANDIDATES = 100
# So many of the best, or so many times as many as are wanted, are looked at for twins and for what speaks for them.
_POOL, _POOL_SHARE = 30, 3
# Chunks closer than this say the same: of the PostgreSQL manual's 10,760, there are 68 with such a twin.
_TWIN_DISTANCE = 0.02
# What speaks for a chunk, as a share of its score: enough to decide between two that are about as good, and no more.
_DOCUMENTATION, _DOCUMENTATION_KINDS = 0.01, ("page", "file")
_SAID_BY = {"accepted": 0.02, "maintainer": 0.01}
# A thread that nobody has touched for so many years loses this.
_STALE, _STALE_YEARS = 0.01, 3
# The more chunks there are, the closer the closest is to any question, and the more of its words some chunk holds.
# `relevance` was fitted on indexes of about 5,000; by so much the logarithm of a smaller size moves its logit. Chosen
# on 5,900 questions to parts of SciFact and of tls13-spec, of 8 chunks or more: asked with the document that answers,
# without it, and of the other corpus. 0.3 errs least; it answers 83% of the first instead of 69%, 29% of the second
# instead of 22%, and 0.8% of the third instead of 0.5%. Beyond the size that it was fitted on nothing is changed.
_SIZE_WEIGHT, _FEWEST_CHUNKS, _FITTED_CHUNKS = 0.3, 8, 5000
# How many results a re-ranker is shown.
_RERANKED = 20
# Of the fused score, how much the vectors have to say: of a name, and of a question of which half is function words.
# Keywords find the entry "huge_pages configuration parameter"; of "why is it so slow to do this" they know one word.
_DENSE_SHARE, _DENSE_SHARE_OF_PROSE, _PROSE = 0.45, 0.7, 0.5
# What else of a page is among the best speaks for it: so many of its next chunks, by so much of what they score above
# the one in this place, or in a small index above the best quarter. Of a thread it says only that it is long.
_NEXT, _NEXT_SHARE, _NEXT_PLACE = 3, 0.3, 30
_WORD = re.compile(r"[^\W\d_]+")


class QueryEncoder(Protocol):
    """What makes a question's vector."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        ...


class Reranker(Protocol):
    """What looks at the best results again, and more closely."""

    def order(self, question: str, results: Sequence[SearchResult]) -> list[int]:
        """Return the places of all results, counted from 0, the best first."""
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
    :param reranker: orders the best results anew
    """

    def __init__(
        self,
        store: Store,
        index: IndexInfo,
        encoder: QueryEncoder,
        *,
        filters: Filters | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._store = store
        self._index = index
        self._encoder = encoder
        self._filters = filters or Filters()
        self._reranker = reranker

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
        wanted = top_k if self._reranker is None else max(top_k, _RERANKED)
        ranked = _of_size(fuse(candidates, dense_share(question)), self._store.chunk_count(self._index, filters.source))
        found = self._best(ranked, wanted, per_document)
        if self._reranker is not None and len(found) > 1:
            found = _reordered(found, self._reranker.order(question, found))
        return found[:top_k]

    def around(self, results: Sequence[SearchResult], reach: int) -> list[SearchResult]:
        """Return the chunks up to so many places before and after these in their documents, in no order."""
        known = {(one.document_id, one.ordinal) for one in results}
        near = {
            (document, ordinal + step)
            for document, ordinal in known
            for step in range(-reach, reach + 1)
            if ordinal + step >= 0
        }
        return [_result(0, 0.0, row) for row in self._store.chunks_at(self._index, sorted(near - known))]

    def _best(self, ranked: Sequence[Ranked], top_k: int, per_document: int) -> list[SearchResult]:
        """Return the best chunks with what is known of them weighed in, and what says the same again left out."""
        size = max(_POOL, _POOL_SHARE * top_k)
        company = _company(ranked)
        while True:
            pool = _spread(ranked, size, per_document + 1)
            rows = self._store.chunks_by_id(self._index, [one.candidate.id for one in pool])
            best = _spread(_weighed(pool, rows, company), top_k, per_document, self._twins(rows))
            if len(best) == top_k or len(pool) < size:
                return [_result(rank, one.score, rows[one.candidate.id]) for rank, one in enumerate(best, start=1)]
            size *= 2  # twins took the places of others

    def _twins(self, rows: Mapping[int, FoundChunk]) -> dict[int, set[int]]:
        """Return for each chunk those that say the same: by their words, or by vectors that hardly differ."""
        twins: dict[int, set[int]] = {name: set() for name in rows}
        by_text: dict[str, list[int]] = {}
        for name, row in rows.items():
            by_text.setdefault(" ".join(row.text.casefold().split()), []).append(name)
        pairs = self._store.near_duplicates(self._index, list(rows), distance=_TWIN_DISTANCE)
        for one, other in [*pairs, *(pair for same in by_text.values() for pair in combinations(same, 2))]:
            twins[one].add(other)
            twins[other].add(one)
        return twins


def dense_share(question: str) -> float:
    """Return how much of the fused score is the vectors', in [0, 1]: the more, the less of a question are keywords."""
    words = _WORD.findall(question.casefold())
    prose = sum(word in FUNCTION_WORDS for word in words) / (len(words) or 1)
    return _DENSE_SHARE + (_DENSE_SHARE_OF_PROSE - _DENSE_SHARE) * min(prose / _PROSE, 1.0)


def fuse(candidates: Sequence[Candidate], share: float) -> list[Ranked]:
    """Order candidates by a convex combination of both exact scores, of which `share` is the vectors'.

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
            share * candidate.cosine / top_cosine + (1 - share) * candidate.bm25 / top_bm25,
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


def _of_size(ranked: Sequence[Ranked], chunks: int) -> list[Ranked]:
    """Return candidates with their scores as if the index were as large as those that `relevance` was fitted on."""
    if not ranked or not 0 < ranked[0].score < 1:
        return list(ranked)
    best = ranked[0].score
    more = _SIZE_WEIGHT * math.log(_FITTED_CHUNKS / min(max(chunks, _FEWEST_CHUNKS), _FITTED_CHUNKS))
    scale = 1 / (1 + (1 / best - 1) * math.exp(-more)) / best
    return [Ranked(one.candidate, one.score * scale) for one in ranked]


def _company(ranked: Sequence[Ranked]) -> dict[str, float]:
    """Return for each document what its chunks but the best one add to it."""
    place = min(_NEXT_PLACE, len(ranked) // 4)
    above: dict[str, list[float]] = {}
    for one in ranked[:place]:
        above.setdefault(one.candidate.document_id, []).append(one.score - ranked[place].score)
    return {document: _NEXT_SHARE * sum(scores[1 : 1 + _NEXT]) for document, scores in above.items()}


def _weighed(pool: Sequence[Ranked], rows: Mapping[int, FoundChunk], company: Mapping[str, float]) -> list[Ranked]:
    """Order chunks by their scores and what speaks for them; the best one's score stays what it was."""
    there = [one for one in pool if one.candidate.id in rows]
    if not there:
        return []
    now = datetime.now(UTC)
    scores = [one.score * _prior(rows[one.candidate.id], now) for one in there]
    scale = there[0].score / (max(scores) or 1)
    ordered = sorted(
        (Ranked(one.candidate, score * scale) for one, score in zip(there, scores, strict=True)),
        key=lambda one: -one.score,
    )
    # Pages change places among themselves only: a thread that was found keeps its place among them.
    places = [n for n, one in enumerate(ordered) if rows[one.candidate.id].kind in _DOCUMENTATION_KINDS]
    pages = sorted(
        (ordered[n] for n in places), key=lambda one: -(one.score + company.get(one.candidate.document_id, 0.0))
    )
    for place, page in zip(places, pages, strict=True):
        ordered[place] = Ranked(page.candidate, ordered[place].score)
    return ordered


def _prior(row: FoundChunk, now: datetime) -> float:
    """Return what speaks for a chunk beside its words: who says it, and when it was last touched."""
    if row.kind in _DOCUMENTATION_KINDS:
        return 1 + _DOCUMENTATION
    weight = _SAID_BY.get(row.answer or "", 0.0)
    if row.answer is None and row.about.get("author_association") in MAINTAINERS:
        weight = _SAID_BY["maintainer"]
    if updated_at := _time(str(row.about.get("updated_at"))):
        age = (now - updated_at).days / 365
        weight -= _STALE * min(max(age / _STALE_YEARS, 0.0), 1.0)
    return 1 + weight


def _time(iso: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:  # a source of somebody's own may put anything there
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


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
    """Return results in another order, with the scores in theirs: the first is as likely as the best one was."""
    if sorted(order) != list(range(len(results))):
        raise ValueError("an order names each result once")
    return [
        replace(results[place], rank=rank, score=scored.score)
        for rank, (place, scored) in enumerate(zip(order, results, strict=True), start=1)
    ]


def _spread(
    ranked: Sequence[Ranked], most: int, per_document: int, twins: Mapping[int, set[int]] | None = None
) -> list[Ranked]:
    """Return the best with so many of one document at most, and of twins only the better one."""
    taken: dict[str, int] = {}
    told: set[int] = set()
    best = []
    for one in ranked:
        document, name = one.candidate.document_id, one.candidate.id
        if taken.get(document, 0) < per_document and name not in told:
            taken[document] = taken.get(document, 0) + 1
            told |= twins[name] if twins else set()
            best.append(one)
            if len(best) == most:
                break
    return best
