"""Ranking: the scores of candidates, and the order that a document's authority and its other chunks give them.

Free of LlamaIndex, whose import takes longer than a search.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rag.store.chunks import FoundChunk
from rag.store.search import Candidate
from rag.text.words import FUNCTION_WORDS
from rag.trust.authorship import MAINTAINERS

__all__ = [
    "Ranked",
    "at_fitted_size",
    "dense_share",
    "document_boosts",
    "fuse",
    "relevance",
    "reweighted",
    "spread",
]

# The share by which a chunk's origin raises its score: enough to decide between two that score about the same.
_DOCUMENTATION, _DOCUMENTATION_KINDS = 0.01, ("page", "file")
_SAID_BY = {"accepted": 0.02, "maintainer": 0.01}
# A thread that was last updated this many years ago loses this share.
_STALE, _STALE_YEARS = 0.01, 3
# In a larger index, the closest chunk is closer to any question, and some chunk contains more of its words. `relevance`
# was fitted on indexes of about 5,000 chunks; in a smaller one, the logit moves by this weight times the logarithm of
# the ratio of the sizes. Chosen on 5,900 questions to parts of SciFact and of tls13-spec, of 8 chunks or more, asked
# with the answering document, without it, and of the other corpus: at 0.3 the fewest decisions are wrong. It answers
# 83% of the first instead of 69%, 29% of the second instead of 22%, and 0.8% of the third instead of 0.5%. In a larger
# index nothing changes.
_SIZE_WEIGHT, _FEWEST_CHUNKS, _FITTED_CHUNKS = 0.3, 8, 5000
# The dense share of the fused score: for a question without function words, and for one with at least this share of
# them. Keywords find the entry "huge_pages configuration parameter"; in "why is it so slow to do this" only one word
# is a keyword.
_DENSE_SHARE, _DENSE_SHARE_OF_PROSE, _PROSE = 0.45, 0.7, 0.5
# A page with several high-ranked chunks gets a boost: the scores of this many of its next chunks, above the score at
# this rank (in a small index, above the best quarter), times this share. A thread gets none: many high-ranked chunks
# only show that it is long.
_NEXT, _NEXT_SHARE, _NEXT_PLACE = 3, 0.3, 30
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score in [0, 1]."""

    candidate: Candidate
    score: float


def dense_share(question: str) -> float:
    """Return the weight of the dense scores, in [0, 1]: it grows with the question's share of function words."""
    words = _WORD.findall(question.casefold())
    prose = sum(word in FUNCTION_WORDS for word in words) / (len(words) or 1)
    return _DENSE_SHARE + (_DENSE_SHARE_OF_PROSE - _DENSE_SHARE) * min(prose / _PROSE, 1.0)


def fuse(candidates: Sequence[Candidate], share: float) -> list[Ranked]:
    """Order candidates by a convex combination of their cosine and BM25 scores.

    Each score is divided by the best of its kind, so a missing score counts as 0: the theoretical minimum
    normalisation of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023). The best
    candidate's `score` is the `relevance` of the index to the question; the others are proportional to it.

    :param share: the weight of the cosine, in [0, 1]
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
    ranked.sort(key=lambda pair: (-pair[0], pair[1].id))
    scale = relevance(top_cosine, max(candidate.coverage for candidate in candidates)) / ranked[0][0]
    return [Ranked(candidate, score=max(fused * scale, 0.0)) for fused, candidate in ranked]


def relevance(cosine: float, coverage: float) -> float:
    """Return the probability that an index answers a question, in [0, 1].

    A logistic regression on queries to the corpus that they were written for (pull requests of tls13-spec, SciFact
    claims, entries of the PostgreSQL manual's index), and on the same queries to another of these corpora.

    :param cosine: the best cosine similarity of any chunk
    :param coverage: the largest share of the question's terms, weighted by idf, that one chunk contains
    """
    return 1 / (1 + math.exp(-(18.7 * cosine + 3.4 * coverage - 10.2)))


def at_fitted_size(ranked: Sequence[Ranked], chunks: int) -> list[Ranked]:
    """Return candidates with the scores that they would have in an index of the size that `relevance` was fitted on.

    :param chunks: the size of the index
    """
    if not ranked or not 0 < ranked[0].score < 1:
        return list(ranked)
    best = ranked[0].score
    more = _SIZE_WEIGHT * math.log(_FITTED_CHUNKS / min(max(chunks, _FEWEST_CHUNKS), _FITTED_CHUNKS))
    scale = 1 / (1 + (1 / best - 1) * math.exp(-more)) / best
    return [Ranked(candidate.candidate, candidate.score * scale) for candidate in ranked]


def document_boosts(ranked: Sequence[Ranked]) -> dict[str, float]:
    """Return for each document the boost that its high-ranked chunks after the first give it."""
    place = min(_NEXT_PLACE, len(ranked) // 4)
    above: dict[str, list[float]] = {}
    for chunk in ranked[:place]:
        above.setdefault(chunk.candidate.document_id, []).append(chunk.score - ranked[place].score)
    return {document: _NEXT_SHARE * sum(scores[1 : 1 + _NEXT]) for document, scores in above.items()}


def reweighted(pool: Sequence[Ranked], rows: Mapping[int, FoundChunk], boosts: Mapping[str, float]) -> list[Ranked]:
    """Order chunks by score, origin, age and boost; the best score stays the same.

    :param rows: the chunks of the pool by id; candidates without a row are left out
    :param boosts: as `document_boosts` returns them
    """
    there = [ranked for ranked in pool if ranked.candidate.id in rows]
    if not there:
        return []
    now = datetime.now(UTC)
    scores = [ranked.score * _prior(rows[ranked.candidate.id], now) for ranked in there]
    scale = there[0].score / (max(scores) or 1)
    ordered = sorted(
        (Ranked(ranked.candidate, score * scale) for ranked, score in zip(there, scores, strict=True)),
        key=lambda ranked: -ranked.score,
    )
    # The boosts move pages among the ranks of pages only; threads keep their ranks.
    places = [rank for rank, ranked in enumerate(ordered) if rows[ranked.candidate.id].kind in _DOCUMENTATION_KINDS]
    pages = sorted(
        (ordered[rank] for rank in places),
        key=lambda ranked: -(ranked.score + boosts.get(ranked.candidate.document_id, 0.0)),
    )
    for place, page in zip(places, pages, strict=True):
        ordered[place] = Ranked(page.candidate, ordered[place].score)
    return ordered


def _prior(row: FoundChunk, now: datetime) -> float:
    """Return the factor that a chunk's origin and the age of its thread put on its score."""
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
    except ValueError:  # sources of other programs may write any text
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def spread(
    ranked: Sequence[Ranked], most: int, per_document: int, twins: Mapping[int, set[int]] | None = None
) -> list[Ranked]:
    """Return the best chunks, of each document at most `per_document`, and of each set of twins the best one.

    :param most: how many chunks to return
    :param twins: for each chunk id, the ids of the chunks that say the same
    """
    taken: dict[str, int] = {}
    duplicates: set[int] = set()
    best = []
    for chunk in ranked:
        document, name = chunk.candidate.document_id, chunk.candidate.id
        if taken.get(document, 0) < per_document and name not in duplicates:
            taken[document] = taken.get(document, 0) + 1
            duplicates |= twins[name] if twins else set()
            best.append(chunk)
            if len(best) == most:
                break
    return best
