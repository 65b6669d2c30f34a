"""BM25 over the titles or texts of reports in memory, as of any report: later ones have no part in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.text.stemming import stem
from rag.text.words import FUNCTION_WORDS, folded, words_in_order

__all__ = ["Lexical", "terms"]

Scores = NDArray[np.float32]

_K1, _B = 1.2, 0.75
# The terms of a long report that are looked up; the rarest tell it apart.
_MOST_TERMS = 120


def terms(text: str) -> Counter[str]:
    """Return the stems of a text that carry meaning, with how often each stands in it."""
    return Counter(stem(word) for word in words_in_order(folded(text)) if word not in FUNCTION_WORDS)


class Lexical:
    """Scores texts by BM25.

    :param texts: the terms of each, in the order in which they were written
    """

    def __init__(self, texts: Sequence[Counter[str]]) -> None:
        places: dict[str, list[int]] = {}
        counts: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            for term, count in text.items():
                places.setdefault(term, []).append(place)
                counts.setdefault(term, []).append(count)
        self._places = {term: np.array(found, np.int32) for term, found in places.items()}
        self._counts = {term: np.array(found, np.float32) for term, found in counts.items()}
        self._lengths = np.array([text.total() for text in texts], np.float32)
        self._before = np.concatenate([[0.0], np.cumsum(self._lengths, dtype=np.float64)])

    def scores(self, query: Counter[str], upto: int) -> Scores:
        """Return the scores of the first `upto` texts, shape (upto,), by what was known of words at that moment."""
        found = np.zeros(upto, np.float32)
        if not upto:
            return found
        mean = max(float(self._before[upto]) / upto, 1.0)
        norm = _K1 * (1 - _B + _B * self._lengths[:upto] / mean)
        for term, idf in self._rarest(query, upto):
            held = int(np.searchsorted(self._places[term], upto))
            places, counts = self._places[term][:held], self._counts[term][:held]
            weight = idf * min(query[term], 3)
            found[places] += weight * counts * (_K1 + 1) / (counts + norm[places])
        return found

    def idf(self, term: str, upto: int) -> float:
        """Return how rare a term is among the first `upto` texts."""
        places = self._places.get(term)
        held = 0 if places is None else int(np.searchsorted(places, upto))
        return float(np.log(1 + (upto - held + 0.5) / (held + 0.5)))

    @staticmethod
    def largest_idf(upto: int) -> float:
        """Return how rare a term is that one of the first `upto` texts has."""
        return float(np.log(1 + max(upto - 0.5, 0.5) / 1.5))

    def _rarest(self, query: Counter[str], upto: int) -> list[tuple[str, float]]:
        weighed = [(term, self.idf(term, upto)) for term in query if term in self._places]
        return sorted(weighed, key=lambda one: -one[1])[:_MOST_TERMS]
