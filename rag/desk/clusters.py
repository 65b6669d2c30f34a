"""Clusters: vectors grouped by meaning, any number of them, in memory that grows with their number only.

Each vector joins the nearest cluster that is near enough, or begins one; then the centres move, and the vectors choose
again. The number of clusters need not be known, as k-means requires.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALONE", "central", "clusters"]

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]

#: The label of a vector that is like no cluster, where there are as many clusters as are told apart.
ALONE = -1
# The cosine with a cluster's centre from which a question asks for the same.
_NEAR = 0.6
# Clusters whose centres are as near are one.
_SAME = 0.78
_ROUNDS = 4
_BLOCK = 1024
_MOST = 4096


def clusters(vectors: Vectors, weights: NDArray[np.float32], *, most: int = _MOST) -> Labels:
    """Return the cluster of each vector, numbered from 0, those with the largest sums of weights first.

    :param vectors: of unit length, shape (n, dimension)
    :param weights: how often each vector counts, shape (n,)
    :param most: how many clusters are told apart; further vectors are `ALONE`
    """
    labels = np.full(len(vectors), ALONE, dtype=np.int64)
    if not len(vectors):
        return labels
    order = np.argsort(-weights, kind="stable")
    centres = np.empty((0, vectors.shape[1]), dtype=np.float32)
    for _ in range(_ROUNDS):
        before = labels
        labels, count = _assigned(vectors, order, centres, most)
        centres, labels = _merged(_centres(vectors, weights, labels, count), labels)
        if np.array_equal(before, labels):
            break
    return _by_size(labels, weights)


def central(vectors: Vectors, weights: NDArray[np.float32]) -> int:
    """Return the position of the vector that is nearest to the centre of them all."""
    centre = (vectors * weights[:, None]).sum(axis=0)
    return int(np.argmax(vectors @ centre))


def _assigned(vectors: Vectors, order: Labels, centres: Vectors, most: int) -> tuple[Labels, int]:
    """Return the cluster of each vector, and the number of clusters; those far from every centre begin new ones."""
    labels = np.full(len(vectors), ALONE, dtype=np.int64)
    known = [centres] if len(centres) else []
    count = len(centres)
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        far = block
        if known:
            similar = vectors[block] @ np.concatenate(known).T
            near = similar.max(axis=1) >= _NEAR
            labels[block[near]] = similar.argmax(axis=1)[near]
            far = block[~near]
        begun = _first_of_their_kind(vectors[far], most - count)
        if begun:
            similar = vectors[far] @ vectors[far[begun]].T
            near = similar.max(axis=1) >= _NEAR
            labels[far[near]] = count + similar.argmax(axis=1)[near]
            known.append(vectors[far[begun]])
            count += len(begun)
    return labels, count


def _first_of_their_kind(vectors: Vectors, most: int) -> list[int]:
    """Return the positions of the vectors that are far from each one before that is returned, at most some."""
    similar = vectors @ vectors.T
    chosen: list[int] = []
    is_near = np.zeros(len(vectors), dtype=bool)
    for place in range(len(vectors)):
        if len(chosen) >= most:
            break
        if not is_near[place]:
            chosen.append(place)
            is_near |= similar[place] >= _NEAR
    return chosen


def _centres(vectors: Vectors, weights: NDArray[np.float32], labels: Labels, count: int) -> Vectors:
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    kept = labels >= 0
    np.add.at(sums, labels[kept], vectors[kept] * weights[kept, None])
    return _unit(sums)


def _merged(centres: Vectors, labels: Labels) -> tuple[Vectors, Labels]:
    """Return the centres of clusters that are told apart, and the labels in their numbers."""
    filled = np.unique(labels[labels >= 0])
    similar = centres[filled] @ centres[filled].T
    number = np.full(len(centres) + 1, ALONE, dtype=np.int64)
    owner = np.full(len(filled), ALONE, dtype=np.int64)
    kept: list[int] = []
    for place in range(len(filled)):
        if owner[place] == ALONE:
            owner[(similar[place] >= _SAME) & (owner == ALONE)] = len(kept)
            owner[place] = len(kept)
            kept.append(place)
    number[filled] = owner
    return centres[filled[kept]], number[labels]


def _by_size(labels: Labels, weights: NDArray[np.float32]) -> Labels:
    kept = labels >= 0
    if not kept.any():
        return labels
    sizes = np.bincount(labels[kept], weights=weights[kept])
    rank = np.empty(len(sizes) + 1, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    rank[ALONE] = ALONE
    return rank[labels]


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, 1e-12)
    return unit
