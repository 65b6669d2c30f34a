"""How common a word is in English at large: "month" and "someone" say little about what a technical question asks."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from rag.text.stemming import stem as stem_of

__all__ = ["excess", "is_common"]

# The stems of English words by falling frequency: the order of the whole words in the vocabulary of bert-base-uncased
# (Apache-2.0). Function words are left out; names of people and places are not.
_STEMS = Path(__file__).with_name("common_stems.txt")
# The frequency of the word at a place is proportional to 1 / (place + 1250): Mandelbrot's form of Zipf's law.
_BEFORE = 1250


def excess(stem: str, weight: float) -> float | None:
    """Return how much more often a word stands in the sources than in English at large, as a logarithm with a constant.

    :param weight: the inverse document frequency of the word in the sources, as a logarithm
    :returns: None if the word is not one of the commonest of English
    """
    place = _places().get(stem)
    return None if place is None else math.log(place + _BEFORE) - weight


def is_common(word: str) -> bool:
    """Return whether a word is one of the commonest of English, function words left out."""
    return stem_of(word.lower()) in _places()


@cache
def _places() -> dict[str, int]:
    return {stem: place for place, stem in enumerate(_STEMS.read_text(encoding="utf-8").split(), start=1)}
