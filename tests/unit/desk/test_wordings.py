"""Wordings of one question lie around one place of the map."""

from __future__ import annotations

import numpy as np

from rag.desk.map.wordings import set_apart, wordings


def unit(*rows: tuple[float, float, float]) -> np.ndarray:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_questions_that_ask_the_same_have_one_place_and_pages_keep_theirs() -> None:
    page = (1, 0, 0)
    vectors = unit(page, page, (0.99, 0.1, 0), (0, 1, 0), (0.1, 1, 0), (1, 0, 0.1), (0, 0.9, 0.1))
    assert wordings(vectors, 2).tolist() == [0, 1, 2, 3, 3, 2, 3]


def test_a_crowd_of_wordings_is_seen_as_one_around_the_first() -> None:
    places = np.array([[0.2, 0.2], *[[0.5, 0.5]] * 20, [1.0, 1.0]], np.float32)
    shown = set_apart(places, np.array([0, *[1] * 20, 21]))
    assert shown[[0, 1, 21]].tolist() == places[[0, 1, 21]].tolist()
    assert len(np.unique(shown[1:21], axis=0)) == 20
    assert np.linalg.norm(shown[1:21] - places[1], axis=1).max() < 0.05
    assert ((shown >= 0) & (shown <= 1)).all()


def test_a_map_without_points_has_no_wordings() -> None:
    assert wordings(np.zeros((0, 3), np.float32), 0).tolist() == []
