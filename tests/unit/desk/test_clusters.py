"""Vectors are grouped by meaning, however many there are."""

from __future__ import annotations

import numpy as np

from rag.desk.clusters import central, clusters


def around(centre: int, count: int, *, spread: float = 0.3, dimension: int = 32) -> np.ndarray:
    """Return unit vectors near an axis."""
    rng = np.random.default_rng(centre)
    vectors = rng.normal(0, spread / np.sqrt(dimension), (count, dimension)).astype(np.float32)
    vectors[:, centre] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ones(vectors: np.ndarray) -> np.ndarray:
    return np.ones(len(vectors), np.float32)


def test_vectors_of_three_topics_make_three_clusters_the_largest_first() -> None:
    vectors = np.concatenate([around(0, 5), around(1, 40), around(2, 20)])
    labels = clusters(vectors, ones(vectors))
    assert labels.tolist() == [2] * 5 + [0] * 40 + [1] * 20


def test_the_order_of_the_vectors_does_not_matter() -> None:
    vectors = np.concatenate([around(topic, 30) for topic in range(4)])
    shuffled = np.random.default_rng(1).permutation(len(vectors))
    labels = clusters(vectors[shuffled], ones(vectors))
    groups = {frozenset(shuffled[labels == label].tolist()) for label in set(labels.tolist())}
    assert groups == {frozenset(range(30 * topic, 30 * topic + 30)) for topic in range(4)}


def test_weights_decide_which_cluster_is_the_largest() -> None:
    vectors = np.concatenate([around(0, 3), around(1, 2)])
    assert clusters(vectors, np.array([1, 1, 1, 9, 9], np.float32)).tolist() == [1, 1, 1, 0, 0]


def test_no_vector_and_one_vector() -> None:
    assert clusters(np.empty((0, 8), np.float32), np.empty(0, np.float32)).tolist() == []
    assert clusters(around(0, 1), np.ones(1, np.float32)).tolist() == [0]


def test_more_topics_than_are_told_apart_leave_the_rest_alone() -> None:
    vectors = np.eye(12, dtype=np.float32)
    assert clusters(vectors, ones(vectors), most=8).tolist() == [*range(8), -1, -1, -1, -1]


def test_the_central_vector_follows_the_weights() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert central(vectors, np.array([1, 5, 1], np.float32)) == 1
