"""What a replay promises, against what comes true afterwards in trackers whose true shares are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rag.triage.model.calibration import Calibration
from rag.triage.replaying.promise import (
    Outcome,
    best,
    calibrated,
    calibration_of,
    chosen,
    none_promised,
    step_at,
    steps,
)

IDENTITY = Calibration()


def outcomes(count: int, *, seed: int, truth: Calibration) -> list[Outcome]:
    """Return outcomes of a model whose probabilities come true as `truth` says."""
    chance = np.random.default_rng(seed)
    said = chance.beta(0.5, 1.5, count)
    confirmed = chance.random(count) < truth(said)
    right = confirmed & (chance.random(count) < 0.5)
    return [
        Outcome(number, float(number), bool(right[number]), float(said[number]), bool(right[number]),
                bool(confirmed[number]), int(right[number]), 1.0, True)
        for number in range(count)
    ]  # fmt: skip


def promised_and_kept(past: Sequence[Outcome], future: Sequence[Outcome], floor: float) -> tuple[float, float]:
    calibration = calibration_of(past, IDENTITY)
    found = chosen(steps(calibrated(past, calibration)), floor)
    assert found is not None
    return found.precision, step_at(calibrated(future, calibration), found.threshold).precision


@pytest.mark.parametrize("truth", [IDENTITY, Calibration(-0.5, 0.7), Calibration(-1.0, 1.0), Calibration(0.3, 1.3)])
@pytest.mark.parametrize("floor", [0.4, 0.6])
def test_a_promise_is_kept_by_the_future_of_the_same_tracker(truth: Calibration, floor: float) -> None:
    differences = []
    for seed in range(5):
        promised, kept = promised_and_kept(
            outcomes(3_000, seed=seed, truth=truth), outcomes(3_000, seed=100 + seed, truth=truth), floor
        )
        differences.append(kept - promised)
        assert promised >= floor
    assert -0.01 <= np.mean(differences) < 0.05
    assert np.mean(np.abs(differences) < 0.05) >= 0.8


def test_a_calibration_makes_probabilities_true() -> None:
    truth = Calibration(-0.5, 0.7)
    found = calibration_of(outcomes(5_000, seed=1, truth=truth), IDENTITY)
    assert (found.shift, found.slope) == (pytest.approx(truth.shift, abs=0.15), pytest.approx(truth.slope, abs=0.1))


def test_few_outcomes_leave_a_calibration_near_its_prior() -> None:
    prior = Calibration(-0.5, 0.7)
    assert calibration_of([], prior) == prior
    found = calibration_of(outcomes(8, seed=2, truth=Calibration(2.0, 1.0)), prior)
    assert found.shift == pytest.approx(prior.shift, abs=0.35)
    assert found.slope == pytest.approx(prior.slope, abs=0.1)


def test_what_is_known_from_few_comments_is_promised_with_a_wider_margin() -> None:
    few, many = (steps(outcomes(count, seed=3, truth=IDENTITY)) for count in (120, 6_000))
    place = 9
    assert few[place][0].spoken < many[place][0].spoken
    margins = [step.precision - promise.precision for step, promise in (few[place], many[place])]
    assert margins[0] > margins[1] > 0.01, "a tracker that changes leaves a margin however much was seen"


def test_what_many_declared_duplicates_taught_is_promised_with_a_narrower_margin() -> None:
    seen = outcomes(1_000, seed=5, truth=IDENTITY)
    few, many = (
        steps([replace(one, is_duplicate=one.number < duplicates) for one in seen])[9] for duplicates in (199, 200)
    )
    assert few[0].precision == many[0].precision
    assert few[1].precision < many[1].precision < many[0].precision


def test_nothing_is_chosen_where_fewer_than_twenty_issues_would_have_got_a_comment() -> None:
    sure = [Outcome(n, float(n), True, 0.99, True, True, 1, 1.0, True) for n in range(25)]
    assert chosen(steps(sure), 0.5) is not None
    assert chosen(steps(sure[:19]), 0.5) is None


def test_the_best_promise_is_the_highest_floor_that_a_threshold_reaches() -> None:
    found = steps(outcomes(3_000, seed=4, truth=Calibration(-1.0, 0.5)))
    reached = best(found)
    assert reached is not None
    assert chosen(found, reached.floor) is not None, "what it would speak with if the floor were that"
    assert chosen(found, reached.floor + 0.02) is None
    assert none_promised(0.95, reached).endswith(f"the best promise is {reached.floor:.2f}, at {reached.threshold:.2f}")


def test_there_is_no_best_promise_where_too_few_issues_would_have_got_a_comment() -> None:
    sure = [Outcome(n, float(n), True, 0.99, True, True, 1, 1.0, True) for n in range(19)]
    assert best(steps(sure)) is None


def test_issues_that_stand_for_several_are_counted_once() -> None:
    few = [Outcome(n, float(n), False, 0.99, True, True, 1, 5.0, True) for n in range(15)]
    assert steps(few)[0][0].spoken == 75
    assert chosen(steps(few), 0.5) is None
