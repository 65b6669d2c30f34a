"""Layouts: two coordinates for each vector, so that points with similar vectors are near each other.

UMAP and t-SNE need the extra `map`; PCA needs numpy only. All of them give the same layout for the same vectors.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rag.errors import ConfigurationError

__all__ = ["METHODS", "Method", "available", "laid_out"]

Vectors = NDArray[np.float32]
Method = Literal["umap", "tsne", "pca"]

#: The names of the methods, as readers know them.
METHODS: dict[Method, str] = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
_PACKAGES = {"umap": "fastumap", "tsne": "openTSNE"}

_NEIGHBOURS = 15
_PERPLEXITY = 30
# From so many points on, t-SNE computes the repulsion by interpolation, whose time hardly grows, instead of Barnes-Hut
# trees: 2.1 and 6.8 s of processor time for 50 iterations over 11,000 points. openTSNE itself does so from 10,000 on.
_INTERPOLATED_FROM = 6_000
_BLOCK = 1024
# Fewer points have too few neighbours.
_FEWEST = 12
_SEED = 42
# A few points far from all others would leave the rest a dot.
_OUTSIDE = 0.005
_MOST_STRETCHED = 1.8


def available(method: Method) -> bool:
    """Return whether the package of a method is installed."""
    return method not in _PACKAGES or find_spec(_PACKAGES[method]) is not None


def laid_out(vectors: Vectors, method: Method) -> Vectors:
    """Return the place of each vector in the unit square, shape (n, 2).

    :param vectors: of unit length, shape (n, dimension)
    :raises ConfigurationError: the package of the method is not installed
    """
    if not available(method):
        raise ConfigurationError(
            f"{METHODS[method]} needs the package {_PACKAGES[method]}: pip install {_PACKAGES[method]}. "
            "--method pca needs none."
        )
    if method == "pca" or len(vectors) < _FEWEST:
        return _fitted(_principal(vectors, 2))
    return _fitted(_umap(vectors) if method == "umap" else _tsne(vectors))


def _umap(vectors: Vectors) -> Vectors:
    import fastumap

    near, distances = _neighbours(vectors, min(_NEIGHBOURS, len(vectors) - 1))
    itself = np.arange(len(vectors))[:, None]
    known = np.hstack([itself, near]), np.hstack([np.zeros_like(itself, dtype=np.float64), distances])
    # Its own start, by eigenvectors of the graph, does not converge where the graph has many parts, as it has with
    # questions that were asked in several wordings.
    placed: Vectors = fastumap.umap_project(
        vectors.astype(np.float64), 2, min_dist=0.2, random_state=_SEED, precomputed_knn=known, init=_start(vectors, 5)
    ).astype(np.float32)
    return placed


def _tsne(vectors: Vectors) -> Vectors:
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    perplexity = min(_PERPLEXITY, (len(vectors) - 1) // 3)
    near, distances = _neighbours(vectors, 3 * perplexity)
    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(near, distances), n_jobs=2, random_state=_SEED
    )
    repulsion = "fft" if len(vectors) >= _INTERPOLATED_FROM else "bh"
    placed = TSNE(
        n_jobs=2,
        early_exaggeration_iter=150,
        n_iter=350,
        negative_gradient_method=repulsion,
        random_state=_SEED,
    ).fit(affinities=affinities, initialization=_start(vectors, 1e-4))
    return np.asarray(placed, dtype=np.float32)


def _neighbours(vectors: Vectors, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the positions and cosine distances of the nearest vectors of each vector, nearest first."""
    near = np.empty((len(vectors), count), dtype=np.int64)
    distances = np.empty((len(vectors), count), dtype=np.float64)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(vectors)))
        rows = np.arange(block.stop - block.start)
        similar = vectors[block] @ vectors.T
        similar[rows, rows + start] = -np.inf
        best = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        values = similar[rows[:, None], best]
        order = np.argsort(-values, axis=1, kind="stable")
        near[block] = best[rows[:, None], order]
        # Equal vectors would have distances of zero, for which neither method is made.
        distances[block] = np.maximum(1 - values[rows[:, None], order], 1e-6)
    return near, distances


def _principal(vectors: Vectors, count: int) -> Vectors:
    """Return the first principal components of vectors, shape (n, count); each points the way of its largest part."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    components = axes[:, ::-1][:, :count]
    components = components * np.where(np.abs(components).max(axis=0) == components.max(axis=0), 1, -1)
    placed: Vectors = (centred @ components).astype(np.float32)
    return np.pad(placed, ((0, 0), (0, max(0, count - placed.shape[1]))))


def _start(vectors: Vectors, spread: float) -> NDArray[np.float64]:
    """Return the first two principal components; the first has this standard deviation."""
    first = _principal(vectors, 2).astype(np.float64)
    return first * (spread / max(float(first[:, 0].std()), 1e-12))


def _fitted(places: Vectors) -> Vectors:
    """Return places in the unit square, which they fill; the few farthest from the others are at its edge."""
    if not len(places):
        return places
    low, high = (np.quantile(places, at, axis=0) for at in (_OUTSIDE, 1 - _OUTSIDE))
    size = np.maximum(1.08 * (high - low), 1e-9)
    # The axes have no meaning, but a band that is much wider than high would be torn apart.
    size = np.maximum(size, size.max() / _MOST_STRETCHED)
    middle = (low + high) / 2
    fitted: Vectors = np.clip((places - middle) / size + 0.5, 0, 1).astype(np.float32)
    return fitted
