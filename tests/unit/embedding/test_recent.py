"""Vectors of recent texts are kept, up to a limit."""

from __future__ import annotations

import numpy as np
import pytest

from rag.embedding.recent import RecentVectors


class Counting:
    """An encoder whose vector of a text is its length, and which notes what it embedded."""

    model, dimension, max_tokens = "fake", 1, 256

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def encode_query(self, text: str) -> np.ndarray:
        return self.encode([text])[0]

    def encode_queries(self, texts: list[str]) -> np.ndarray:
        return self.encode(texts)

    def encode(self, texts: list[str]) -> np.ndarray:
        self.embedded += texts
        return np.array([[len(text)] for text in texts], np.float32).reshape(len(texts), 1)

    def count_tokens(self, text: str) -> int:
        return len(text)


@pytest.fixture
def counting() -> Counting:
    return Counting()


def test_a_text_is_embedded_once_and_vectors_are_in_the_order_of_the_texts(counting: Counting) -> None:
    recent = RecentVectors(counting)
    assert recent.encode_queries(["a", "bbb", "a"]).tolist() == [[1], [3], [1]]
    assert recent.encode_queries(["cc", "bbb"]).tolist() == [[2], [3]]
    assert counting.embedded == ["a", "bbb", "cc"]


def test_the_texts_used_longest_ago_are_forgotten(counting: Counting) -> None:
    recent = RecentVectors(counting, most=2)
    for texts in (["a"], ["bb"], ["a"], ["ccc"], ["a"], ["bb"]):
        recent.encode_queries(texts)
    assert counting.embedded == ["a", "bb", "ccc", "bb"]


def test_more_texts_than_are_kept_have_their_vectors(counting: Counting) -> None:
    recent = RecentVectors(counting, most=1)
    assert recent.encode_queries(["a", "bb", "ccc"]).tolist() == [[1], [2], [3]]


def test_no_text_has_no_vector(counting: Counting) -> None:
    assert RecentVectors(counting).encode_queries([]).shape == (0, 1)


def test_half_a_character_has_a_vector(counting: Counting) -> None:
    assert RecentVectors(counting).encode_queries(["\ud83d"]).tolist() == [[1]]
