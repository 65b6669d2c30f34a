"""The delay before a retry doubles, with jitter; a server may request another delay."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from rag.sources.backoff import delay, retry_after


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0)])
def test_the_delay_doubles_with_jitter_between_half_and_all_of_it(attempt: int, longest: float) -> None:
    delays = {delay(attempt, first=0.5) for _ in range(200)}

    assert longest / 2 <= min(delays) < max(delays) <= longest
    assert len(delays) > 100


def test_without_jitter_the_delay_is_exact() -> None:
    assert [delay(attempt, first=60.0, jitter=0.0) for attempt in (1, 2, 3)] == [60.0, 120.0, 240.0]


@pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("120", 120.0), (" 7 ", 7.0)])
def test_retry_after_may_be_seconds(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = retry_after(formatdate(time.time() + 90, usegmt=True))

    assert seconds is not None
    assert 80 < seconds <= 90


def test_a_date_in_the_past_means_no_delay() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("value", [None, "", "soon", "-5", "1.5", "²", "٣", "Wed, 21 Oct 99999 07:28:00 GMT"])
def test_a_missing_or_invalid_retry_after_is_ignored(value: str | None) -> None:
    assert retry_after(value) is None


@pytest.mark.parametrize("value", ["9" * 30, "9" * 400])
def test_an_absurd_delay_still_ends_at_a_date(value: str) -> None:
    seconds = retry_after(value)

    assert seconds is not None
    assert time.gmtime(time.time() + seconds).tm_year < 2200
