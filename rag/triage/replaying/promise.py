"""Promise: which precision comments will have from now on, by what became of the issues that were replayed.

The share that was seen at a threshold promises too much: few issues are above a threshold, it is chosen because it
looked good, and the habits of a tracker change. What came later was nearer to the lower bound of that share
(docs/triage.md), so the bound is the promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rag.triage.model.calibration import Calibration, Values

__all__ = [
    "PROMISED",
    "Outcome",
    "Promise",
    "Step",
    "best",
    "calibrated",
    "calibration_of",
    "chosen",
    "none_promised",
    "step_at",
    "steps",
]

#: The names of what is promised, in JSON.
PROMISED = ("threshold", "precision", "recall", "declared", "of_duplicates")

# A threshold is not chosen on fewer issues that would have got a comment.
_FEWEST_SPOKEN = 20
_STEPS = (*(round(0.05 * step, 2) for step in range(1, 20)), 0.97, 0.99)
# In standard deviations: how far a promise is below what was seen. With few declared duplicates, it is one-sided 80%
# confidence. With many, the model that speaks is hardly another one than those that were judged, and the threshold is
# no lucky one; see the handbook for what was kept.
_MARGIN, _MARGIN_OF_MANY, _MANY = 0.84, 0.5, 200
# Habits change, so that a share is never known better than from so many issues: half of them differs from what comes
# later by 0.03 (standard deviation), even after any number of issues.
_MOST_KNOWN = 280
# How hard a calibration is drawn towards its prior, in shift and slope: those of models of one kind differ between
# repositories by about 0.6 and 0.15 (standard deviations).
_PENALTIES = (2.5, 50.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would have been said of an issue."""

    number: int
    opened: float
    is_duplicate: bool
    #: of the most likely thread
    probability: float
    #: whether that thread was declared to be the same problem
    is_right: bool
    #: whether people named one in the other at least, or fixed both at once
    is_confirmed: bool
    #: the rank of the first thread that is the same problem; 0 if it is not among the first ten
    rank: int
    #: for how many issues it stands
    weight: float
    #: whether a model predicted it that was fitted on this repository
    is_learned: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What was seen at a threshold."""

    threshold: float
    #: the issues that would have got a comment
    spoken: float
    #: the share of these comments that people confirmed: by declaring the duplicate, by naming one issue in the other,
    #: or by fixing both at once
    precision: float
    #: the share of the declared duplicates that would have got a right comment
    recall: float
    #: the share of these comments whose thread was declared the duplicate; many duplicates are never declared
    declared: float
    #: the same, over the declared duplicates alone
    of_duplicates: float
    #: the number of issues by which this is known; fewer than `spoken` where one stands for several
    judged: int

    def to_json(self) -> dict[str, float]:
        """Return the row of the table."""
        names = ("threshold", "spoken", "precision", "recall", "declared", "of_duplicates")
        return {name: round(getattr(self, name), 4) for name in names}


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to be expected at a threshold; see `Step`. Comments are chosen by their precision, duplicates are not."""

    threshold: float
    #: the lower bound of what was seen
    precision: float
    recall: float
    #: the lower bound of what was seen
    declared: float
    of_duplicates: float

    @property
    def floor(self) -> float:
        """The highest floor, in hundredths, that is promised."""
        return math.floor(self.precision * 100) / 100

    def to_json(self) -> dict[str, float]:
        """Return the promise as JSON."""
        return {name: round(getattr(self, name), 4) for name in PROMISED}


def calibration_of(outcomes: Sequence[Outcome], prior: Calibration) -> Calibration:
    """Return what makes the probabilities of a model true to what people confirmed.

    :param outcomes: with the probabilities of the model
    :param prior: where it stays without outcomes
    """
    confirmed = np.array([one.is_confirmed for one in outcomes], np.float64)
    weights = np.array([one.weight for one in outcomes], np.float64)
    return prior.fitted(_probabilities(outcomes), confirmed, weights, penalties=_PENALTIES)


def calibrated(outcomes: Sequence[Outcome], calibration: Calibration) -> list[Outcome]:
    """Return outcomes with calibrated probabilities."""
    found = calibration(_probabilities(outcomes)).tolist()
    return [replace(one, probability=probability) for one, probability in zip(outcomes, found, strict=True)]


def steps(outcomes: Sequence[Outcome]) -> list[tuple[Step, Promise]]:
    """Return what was seen at each threshold, and what is to be expected there.

    :param outcomes: with calibrated probabilities
    """
    found = (step_at(outcomes, threshold) for threshold in _STEPS)
    margin = _MARGIN_OF_MANY if sum(one.is_duplicate for one in outcomes) >= _MANY else _MARGIN
    return [(step, _promise_of(step, outcomes, margin)) for step in found]


def step_at(outcomes: Sequence[Outcome], threshold: float) -> Step:
    """Return what was seen at a threshold.

    :param outcomes: with calibrated probabilities
    """
    spoken = [one for one in outcomes if one.probability >= threshold]
    spoken_duplicates = [one for one in spoken if one.is_duplicate]
    duplicates = sum(one.is_duplicate for one in outcomes)
    return Step(
        threshold,
        sum(one.weight for one in spoken),
        _share(spoken, _is_confirmed),
        sum(one.is_right for one in spoken_duplicates) / max(duplicates, 1),
        _share(spoken, _is_right),
        _share(spoken_duplicates, _is_right),
        len(spoken),
    )


def chosen(found: Sequence[tuple[Step, Promise]], floor: float) -> Promise | None:
    """Return the lowest threshold that promises the floor; at those above it, the floor was seen at least."""
    lowest = None
    for step, promise in reversed(found):
        if step.judged < _FEWEST_SPOKEN:
            continue
        if step.precision < floor:
            break
        if promise.precision >= floor:
            lowest = promise
    return lowest


def best(found: Sequence[tuple[Step, Promise]]) -> Promise | None:
    """Return the promise of the highest floor that a threshold reaches; None: too few comments at each."""
    floors = sorted({promise.precision for _, promise in found}, reverse=True)
    return next((promise for floor in floors if floor > 0 and (promise := chosen(found, floor))), None)


def none_promised(floor: float, reached: Promise | None = None) -> str:
    """Return why nothing is said in public if no threshold is chosen.

    :param reached: the best promise
    """
    because = f"no threshold promises a precision of {floor:.2f}"
    return f"{because}; the best promise is {reached.floor:.2f}, at {reached.threshold:.2f}" if reached else because


def _promise_of(step: Step, outcomes: Sequence[Outcome], margin: float) -> Promise:
    spoken = [one for one in outcomes if one.probability >= step.threshold]
    precision, declared = (_at_least(spoken, comes_true, margin) for comes_true in (_is_confirmed, _is_right))
    return Promise(step.threshold, precision, step.recall, declared, step.of_duplicates)


def _at_least(spoken: Sequence[Outcome], comes_true: Callable[[Outcome], bool], margin: float) -> float:
    """Return Wilson's lower bound of a share that drifts, by the number of issues that a weighted sample is worth."""
    squares = sum(one.weight**2 for one in spoken)
    if not squares:
        return 0.0
    share = _share(spoken, comes_true)
    chance = squares / sum(one.weight for one in spoken) ** 2
    size = 1 / (chance + 1 / _MOST_KNOWN)
    square = margin**2 / size
    spread = margin * math.sqrt(share * (1 - share) / size + square / (4 * size))
    return max((share + square / 2 - spread) / (1 + square), 0.0)


def _share(outcomes: Sequence[Outcome], comes_true: Callable[[Outcome], bool]) -> float:
    total = sum(one.weight for one in outcomes)
    return sum(one.weight for one in outcomes if comes_true(one)) / total if total else 0.0


def _probabilities(outcomes: Sequence[Outcome]) -> Values:
    return np.array([one.probability for one in outcomes], np.float64)


def _is_confirmed(outcome: Outcome) -> bool:
    return outcome.is_confirmed


def _is_right(outcome: Outcome) -> bool:
    return outcome.is_right
