from __future__ import annotations

import pytest

from rag.text.commonness import excess


def test_a_rarer_word_of_english_exceeds_by_more_at_the_same_weight() -> None:
    someone, merge = excess("someon", 5.0), excess("merg", 5.0)
    assert someone is not None
    assert merge is not None
    assert someone < merge


def test_a_word_that_the_sources_use_more_exceeds_by_more() -> None:
    rare, frequent = excess("line", 7.0), excess("line", 1.5)
    assert rare is not None
    assert frequent is not None
    assert frequent - rare == pytest.approx(5.5)


@pytest.mark.parametrize("stem", ["autovacuum", "zzz", "", "\u30de\u30fc\u30b8"])
def test_nothing_is_known_of_a_word_that_is_not_common(stem: str) -> None:
    assert excess(stem, 5.0) is None
