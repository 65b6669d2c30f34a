"""Likelihood: the features from which the probability is predicted that an answer is right.

A question about something that the sources do not know has words that stand nowhere near the best passages: the name of
a neighbour product, a version, an option that does not exist.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rag.answer.extracts.compose import Scored, certainty
from rag.answer.question.asked import KINDS, Asked, named_subject, tokens
from rag.answer.question.values import without_own_values
from rag.text.spelling import distance
from rag.text.words import FUNCTION_WORDS

if TYPE_CHECKING:
    from rag.answer.extracts.ranking import Ranking
    from rag.search.results import SearchResult

__all__ = ["ANSWERABLE", "RIGHT", "likelihood_features", "names"]

# What helps to predict both.
_BOTH = (
    "score", "largest cosine", "coverage of the best", "agreement", "terms", "score gap", "coverage of a chunk",
    "coverage of the answer", "coverage of the label", "pairs missing", "size of the best",
    *(f"asks: {kind}" for kind in KINDS),
)  # fmt: skip
#: The features of the model of whether the sources answer a question, and of whether the answer is then right.
ANSWERABLE = (
    *_BOTH, "has names", "rarest missing", "names missing", "unknown identifier", "unknown word", "unknown subject",
    "subject not above", "in many words: coverage of the best", "in many words: pairs missing",
    "in many words: rarest missing",
)  # fmt: skip
RIGHT = (*_BOTH, "certainty", "rank", "pairs", "precision of the label", "of a thread")
# A question of more words than this describes a situation, of which the sources know nothing.
_PLAIN = 8
# How many of the best passages should agree on their document.
_AGREEING = 5
# A question with as many unknown words, and without a function word of English, is in another language.
_FOREIGN = 3
# Function words of English that are words of other languages too.
_OF_OTHERS = {"in", "was", "an", "so", "will", "are", "on", "is"}
# Shorter words are not taken for misspelt ones.
_LONG_ENOUGH = 5
_NAME = re.compile(
    r"(?<![\w-])--?[A-Za-z][\w-]+|\w+(?:[._:/-]\w+)*[._:]\w+(?:\(\))?|\b[A-Za-z]+\d[\w.]*|\b\d+(?:\.\d+)+\b|\b[A-Z]{2,}\w*|\b\w*[a-z][A-Z]\w*"
    r"|\b[A-Za-z]\w*(?==[\w\"'])|\b[A-Za-z]\w*(?:-\w+)+"
)


def names(question: str) -> list[str]:
    """Return the identifiers, options, versions and abbreviations of a question, in lower case."""
    found = _NAME.findall(without_own_values(question))
    return list(dict.fromkeys(name.lower().strip(".:()") for name in found))


def likelihood_features(ranking: Ranking, taken: Sequence[Scored], results: Sequence[SearchResult]) -> dict[str, float]:
    """Return the features of an answer: `ANSWERABLE` and `RIGHT`.

    Words that are missing do not count in a pasted error message, which has names of the asker's own, nor in a question
    in another language.

    :param results: that the passages are of
    """
    asked, rows = ranking.asked, ranking.features
    places = [place for place, one in enumerate(ranking.scored) if any(one is other for other in taken)]
    best = rows[places[0]]
    document = taken[0].passage.result.document_id
    scores = [one.score for one in ranking.scored]
    named = names(asked.text)
    found = [result.score for result in results if not result.is_neighbour]
    missing = _missing(ranking, places, named, results)
    if "error" in asked.kinds or _is_foreign(asked):
        missing = dict.fromkeys(missing, 0.0)
    many_words = max(math.log(max(len(asked.text.split()), 1) / _PLAIN), 0.0)
    pairs_missing = _pairs_missing(asked, results)
    return {
        "score": scores[0],
        "certainty": certainty(scores),
        "largest cosine": max(row["cosine"] for row in rows),
        "score gap": max(found) - min(found),
        "coverage of the best": best["coverage in all"],
        "coverage of the answer": asked.share(set().union(*(one.found for one in taken))),
        "coverage of the label": best["coverage of the label"],
        "coverage of a chunk": max(result.coverage for result in results),
        "size of the best": best["size"],
        "precision of the label": best["precision of the label"],
        "pairs": best["pairs"],
        "has names": float(bool(named)),
        "terms": asked.length,
        "agreement": sum(one.passage.result.document_id == document for one in ranking.scored[:_AGREEING]) / _AGREEING,
        "rank": best["rank"],
        "of a thread": best["of a thread"],
        "pairs missing": pairs_missing,
        "in many words: coverage of the best": many_words * best["coverage in all"],
        "in many words: pairs missing": many_words * pairs_missing,
        "in many words: rarest missing": many_words * missing["rarest missing"],
        **{f"asks: {kind}": float(kind in asked.kinds) for kind in KINDS},
        **missing,
    }


def _pairs_missing(asked: Asked, results: Sequence[SearchResult]) -> float:
    """Return the share of the pairs of terms beside each other that stand beside each other in no result, in [0, 1]."""
    text = " ".join(f"{result.title} {result.heading} {result.text}" for result in results)
    order = [asked.term_of(word) for word in tokens(text)]
    known = set(pairwise(order))
    weights = {
        (one, other): min(asked.weights[one], asked.weights[other]) for one, other in asked.pairs if one != other
    }
    missing = sum(weight for pair, weight in weights.items() if pair not in known and pair[::-1] not in known)
    return missing / (sum(weights.values()) or 1.0)


def _missing(
    ranking: Ranking, places: Sequence[int], named: Sequence[str], results: Sequence[SearchResult]
) -> dict[str, float]:
    """Return what of the question stands neither in the passages of an answer nor in the index."""
    asked = ranking.asked
    found = set().union(*(ranking.described[place].found for place in places))
    shown = [ranking.scored[place].passage for place in places]
    text = " ".join(f"{one.path} {one.result.title} {one.text}" for one in shown).lower()
    missing = [term.idf for term in asked.terms if term.lexeme not in found]
    unknown = _unknown_words(asked, results)
    about = tokens(named_subject(asked.text))
    subject = asked.found_in(about)
    above = asked.found_in(tokens(" ".join(f"{one.path} {one.term} {one.result.title}" for one in shown)))
    is_elsewhere = bool(subject) and subject.isdisjoint(found)
    return {
        "rarest missing": max(missing, default=0.0) / _largest_weight(asked),
        "names missing": _missing_names(named, text),
        "unknown identifier": float(any(term.chunks == 0 for term in asked.identifiers)),
        "unknown word": float(bool(unknown)),
        "subject not above": float(bool(subject) and subject.isdisjoint(above)),
        "unknown subject": float(is_elsewhere or not unknown.isdisjoint(about) or not _names_authors(ranking, places)),
    }


def _names_authors(ranking: Ranking, places: Sequence[int]) -> bool:
    """Return whether passages name who made something, if that is asked."""
    rows = [ranking.features[place] for place in places]
    return "author" not in ranking.asked.kinds or any(row["author: made by"] or row["author: label"] for row in rows)


def _is_foreign(asked: Asked) -> bool:
    unknown = sum(term.chunks == 0 for term in asked.terms)
    return unknown >= _FOREIGN and not (FUNCTION_WORDS - _OF_OTHERS).intersection(tokens(asked.text))


def _unknown_words(asked: Asked, results: Sequence[SearchResult]) -> set[str]:
    """Return the words of a question that no chunk has, without those that are words of the results, misspelt."""
    unknown = {term.lexeme for term in asked.terms if term.chunks == 0}
    found = {word for word in tokens(asked.text) if asked.term_of(word) in unknown}
    if not found:
        return found
    known = set(tokens(" ".join(f"{result.heading} {result.text}" for result in results)))
    return {
        word
        for word in found
        if len(word) < _LONG_ENOUGH or not any(one[0] == word[0] and distance(word, one, 1) <= 1 for one in known)
    }


def _largest_weight(asked: Asked) -> float:
    """Return the weight of a term that no chunk of the index holds, computed from the weight of any term."""
    sizes = [(math.exp(min(term.idf, 40.0)) - 1) * (term.chunks + 0.5) + term.chunks - 0.5 for term in asked.terms]
    return math.log(2 * max([*sizes, 1.0]) + 2)


def _missing_names(named: Sequence[str], text: str) -> float:
    """Return the share of names that do not stand in a text: an option as it is, another name with any separators."""
    if not named:
        return 0.0
    words = f" {' '.join(tokens(text))} "
    joined = words.replace(" ", "")

    def is_written(name: str) -> bool:
        if name.startswith("-"):
            return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
        parts = tokens(name)
        return name in text or f" {' '.join(parts)} " in words or "".join(parts) in joined

    return sum(not is_written(name) for name in named) / len(named)
