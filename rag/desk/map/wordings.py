"""Wordings of one question: laid out as one point, and drawn as a crowd around it.

Laid out each for itself, they would be each other's neighbours, and lie far from the pages that they ask for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["set_apart", "wordings"]

Vectors = NDArray[np.float32]

# The cosine from which on two questions ask the same.
_SAME = 0.8
# In shares of the map's width: between wordings of one question.
_SPACING = 0.006
_GOLDEN_ANGLE = 2.399963


def wordings(vectors: Vectors, points: int) -> NDArray[np.intp]:
    """Return for each question the position of the first one that asks the same, and for each point its own.

    :param vectors: of unit length: those of the points, and then those of the questions
    :param points: the number of vectors that are not of questions
    """
    first = np.arange(len(vectors))
    for place in range(points + 1, len(vectors)):
        similar = vectors[points:place] @ vectors[place]
        nearest = int(similar.argmax())
        if similar[nearest] >= _SAME:
            first[place] = first[points + nearest]
    return first


def set_apart(places: Vectors, first: NDArray[np.intp]) -> Vectors:
    """Return places of the unit square where the wordings of a question form a spiral around the first.

    :param places: shape (n, 2)
    :param first: as `wordings` returns it
    """
    turn = np.zeros(len(first))
    for one in np.unique(first):
        same = np.flatnonzero(first == one)
        turn[same] = np.arange(len(same))
    angle = turn * _GOLDEN_ANGLE
    offset = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (_SPACING * np.sqrt(turn))[:, None]
    moved: Vectors = np.clip(places + offset, 0, 1).astype(np.float32)
    return moved
