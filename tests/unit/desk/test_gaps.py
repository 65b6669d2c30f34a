"""Which questions are gaps, and which gap is to be closed first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from rag.desk.gaps import open_gaps, unmet
from rag.store.answers import Thumb
from rag.store.insights import AskedRow

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def asked(*, answered: bool = True, score: float = 0.9, thumb: Thumb | None = None, days: float = 0) -> AskedRow:
    """Return a logged question; each has a wording and an answer of its own."""
    id_ = uuid4()
    return AskedRow(
        id_, id_.bytes, "How?", NOW - timedelta(days=days), "person", answered, score, thumb, None, id_.hex, None, None
    )


def test_a_question_without_an_answer_weighs_more_than_one_whose_answer_is_likely_wrong() -> None:
    unanswered = [asked(answered=False, score=0.1)] * 70
    uncertain = [asked(score=0.4)] * 77
    assert unmet(unanswered, NOW) == pytest.approx(70)
    assert unmet(uncertain, NOW) == pytest.approx(77 * 0.6)


def test_a_thumb_down_tells_more_than_the_score() -> None:
    assert unmet([asked(score=0.9, thumb="down")], NOW) == 1


def test_a_question_of_last_month_weighs_half() -> None:
    assert unmet([asked(answered=False, days=30)], NOW) == pytest.approx(0.5)


def test_an_answer_with_a_low_score_is_a_gap_unless_a_reader_says_that_it_is_right() -> None:
    low, right, unanswered = asked(score=0.4), asked(score=0.4, thumb="up"), asked(answered=False, thumb="up")
    assert open_gaps([low, right, unanswered, asked()]) == [low, unanswered]
