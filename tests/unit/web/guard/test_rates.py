"""Requests a minute, by a clock that the test turns."""

from __future__ import annotations

from rag.web.guard.rates import Rates


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_grants_its_requests_and_no_more() -> None:
    rates = Rates(30, clock=Clock())
    assert [rates.wait("ann") for _ in range(31)] == [0] * 30 + [2]


def test_who_waits_as_told_is_served() -> None:
    clock = Clock()
    rates = Rates(30, clock=clock)
    for _ in range(30):
        rates.wait("ann")
    clock.now += rates.wait("ann")
    assert rates.wait("ann") == 0
    assert rates.wait("ann") > 0


def test_visitors_do_not_count_for_each_other() -> None:
    rates = Rates(1, clock=Clock())
    assert [rates.wait(visitor) for visitor in ("ann", "bob", "ann")] == [0, 0, 60]


def test_no_rate_is_no_limit() -> None:
    rates = Rates(0, clock=Clock())
    assert {rates.wait("ann") for _ in range(1000)} == {0}


def test_the_longest_silent_visitor_is_forgotten() -> None:
    rates = Rates(1, clock=Clock())
    rates.wait("ann")
    for number in range(20_000):
        rates.wait(f"other {number}")
    assert rates.wait("ann") == 0
