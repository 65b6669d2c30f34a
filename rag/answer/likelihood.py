"""Likelihood: the features from which the probability is predicted that an answer is right.

A question about something that the sources do not know has words that stand nowhere near the best passages: the name of
a neighbour product, a version, an option that does not exist.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.answer.asked import KINDS, Asked, tokens
from rag.answer.compose import Scored, certainty
from rag.store.search import Term

if TYPE_CHECKING:
    from rag.answer.extracts import Ranking
    from rag.search.results import SearchResult

__all__ = ["likelihood_features", "names"]

# A term is rare if its weight is at least this share of the largest that a term of the index can have.
_RARE = 0.5
# How many of the best passages should agree on their document.
_AGREEING = 5
_NAME = re.compile(
    r"--?[A-Za-z][\w-]+|\w+(?:[._:/-]\w+)*[._:]\w+(?:\(\))?|\b[A-Za-z]+\d[\w.]*|\b\d+(?:\.\d+)+\b|\b[A-Z]{2,}\w*|\b\w*[a-z][A-Z]\w*"
)


def names(question: str) -> list[str]:
    """Return the identifiers, options, versions and abbreviations of a question, in lower case."""
    return list(dict.fromkeys(name.lower().strip(".:()") for name in _NAME.findall(question)))


def likelihood_features(ranking: Ranking, taken: Sequence[Scored], results: Sequence[SearchResult]) -> dict[str, float]:
    """Return the features of an answer."""
    asked, rows = ranking.asked, ranking.features
    places = [place for place, one in enumerate(ranking.scored) if any(one is other for other in taken)]
    best = rows[places[0]]
    found = set().union(*(ranking.described[place].found for place in places))
    anywhere = set().union(*(one.found for one in ranking.described))
    document = taken[0].passage.result.document_id
    texts = " ".join(f"{one.passage.path} {one.passage.result.title} {one.passage.text}" for one in taken).lower()
    everything = " ".join(f"{result.heading} {result.text}" for result in results).lower()
    named = names(asked.text)
    scores = [one.score for one in ranking.scored]
    most = _largest_weight(asked)
    missing = [term for term in asked.terms if term.lexeme not in found]
    nowhere = [term for term in asked.terms if term.lexeme not in anywhere]
    rare = [term for term in asked.terms if term.idf >= _RARE * most]
    unknown = [term for term in asked.terms if term.chunks == 0]
    return {
        "score": scores[0],
        "certainty": certainty(scores),
        "cosine": best["cosine"],
        "largest cosine": max(row["cosine"] for row in rows),
        "largest cosine of a chunk": max(row["cosine of the chunk"] for row in rows),
        "coverage": asked.share(found),
        "coverage of the best": best["coverage in all"],
        "coverage of the label": best["coverage of the label"],
        "precision of the label": best["precision of the label"],
        "coverage of the document": best["coverage of the document"],
        "coverage anywhere": asked.share(anywhere),
        "pairs": best["pairs"],
        "rarest missing": max((term.idf for term in missing), default=0.0) / most,
        "rarest nowhere": max((term.idf for term in nowhere), default=0.0) / most,
        "rare and found": _share_of(rare, found),
        "unknown": sum(term.idf for term in unknown) / asked.weight,
        "has an unknown word": float(bool(unknown)),
        "names missing": _absent(named, texts),
        "names nowhere": _absent(named, everything),
        "has names": float(bool(named)),
        "terms": asked.length,
        "agreement": sum(one.passage.result.document_id == document for one in ranking.scored[:_AGREEING]) / _AGREEING,
        "rank": best["rank"],
        "of a thread": best["of a thread"],
        **{kind: float(kind in asked.kinds) for kind in KINDS},
    }


def _largest_weight(asked: Asked) -> float:
    """Return the weight of a term that no chunk of the index holds, computed from the weight of any term."""
    sizes = [(math.exp(min(term.idf, 40.0)) - 1) * (term.chunks + 0.5) + term.chunks - 0.5 for term in asked.terms]
    return math.log(2 * max([*sizes, 1.0]) + 2)


def _share_of(terms: Sequence[Term], found: set[str]) -> float:
    whole = sum(term.idf for term in terms)
    return sum(term.idf for term in terms if term.lexeme in found) / whole if whole else 1.0


def _absent(named: Sequence[str], text: str) -> float:
    """Return the share of names that do not stand in a text, neither as written nor by all of their parts."""
    if not named:
        return 0.0
    known = set(tokens(text))
    return sum(name not in text and not known.issuperset(tokens(name)) for name in named) / len(named)
