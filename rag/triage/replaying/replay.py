"""Replay: what would have been said of each issue when it was opened, and how often that would have been right.

The model of a repository is learned from its declared duplicates, and judged out of time: each block of its history is
predicted by a model that was fitted on earlier blocks only. The threshold is the lowest from which on the promised
precision is at least the floor, with a margin; where there is none, nothing is said.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rag.triage.candidates.ranking import Ranker, Scored
from rag.triage.history import Issue
from rag.triage.model.calibration import Calibration
from rag.triage.model.logit import Example, Model, fit
from rag.triage.replaying.promise import (
    PROMISED,
    Outcome,
    Promise,
    Step,
    best,
    calibrated,
    calibration_of,
    chosen,
    none_promised,
    step_at,
    steps,
)

__all__ = ["FEWEST_DUPLICATES", "Replay", "replayed"]

#: The number of blocks of the history; each has about as many declared duplicates.
_BLOCKS = 6
#: With fewer declared duplicates, the repository's own are not fitted on, and no threshold is chosen.
FEWEST_DUPLICATES = 20
# A model learns from at most this number of issues without a declared duplicate, and at most that number are judged: a
# sample if there are more. Where one issue stands for four, a promise is off by half as much again.
_MOST_LEARNED, _MOST_JUDGED = 4_000, 20_000
# The first issues have too little before them.
_WARM_UP = 30
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay taught."""

    issues: int
    duplicates: int
    model: Model
    #: out of time: predicted by models that were fitted on earlier blocks, or by the shipped model; the probabilities
    #: are calibrated
    outcomes: Sequence[Outcome]
    steps: Sequence[tuple[Step, Promise]]
    #: None: nothing is said in public
    chosen: Promise | None
    floor: float
    #: the last block, which no threshold was chosen by: the promise that the blocks before it make, and what was seen
    promised: Promise | None
    kept: Step | None

    @property
    def ndcg(self) -> float | None:
        """The mean nDCG@10 of the declared duplicates; None without any."""
        gains = [1 / math.log2(one.rank + 1) if one.rank else 0.0 for one in self.outcomes if one.is_duplicate]
        return sum(gains) / len(gains) if gains else None

    @property
    def best(self) -> Promise | None:
        """The best promise where none is chosen; None: one is, or nothing can be promised."""
        return None if self.chosen or self.duplicates < FEWEST_DUPLICATES else best(self.steps)

    @property
    def silent_because(self) -> str | None:
        """Why nothing is said in public; None: something may be said."""
        if self.chosen:
            return None
        if self.duplicates < FEWEST_DUPLICATES:
            few = f"{self.duplicates} declared duplicates are too few to promise a precision"
            return f"{few}; {FEWEST_DUPLICATES} are enough"
        return none_promised(self.floor, self.best)

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --replay --json` prints."""
        promise = self.chosen.to_json() if self.chosen else dict.fromkeys(PROMISED)
        return {
            "issues": self.issues,
            "duplicates": self.duplicates,
            "replayed": len(self.outcomes),
            "ndcg": None if self.ndcg is None else round(self.ndcg, 4),
            "floor": self.floor,
            **promise,
            "silent": self.chosen is None,
            "silent_because": self.silent_because,
            "best": self.best.to_json() if self.best else None,
            "check": {
                "promised": self.promised.to_json() if self.promised else None,
                "kept": self.kept.to_json() if self.kept else None,
            },
            "thresholds": [{**step.to_json(), "promise": round(promise.precision, 4)} for step, promise in self.steps],
        }


@dataclass(frozen=True, slots=True)
class _Replayed:
    """An issue that is replayed."""

    place: int
    issue: Issue
    is_duplicate: bool
    #: in which block of the history it is
    block: int
    #: for how many issues its outcome stands
    weight: float
    #: for how many issues a model learns from it; 0: it does not
    learned: float


def replayed(
    ranker: Ranker,
    shipped: Model,
    *,
    floor: float,
    until: float | None = None,
    most_learned: int = _MOST_LEARNED,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Replay:
    """Go over the history of a repository.

    :param shipped: the model that is used before the repository's own can be fitted
    :param floor: the least precision at which something may be said, in [0, 1]
    :param until: use only issues that were opened before this time, in seconds since 1970
    :param most_learned: a model learns from at most this number of issues without a declared duplicate
    :param progress: called with the number of issues done and of all
    """
    known = [one for one in ranker.corpus.issues if until is None or one.opened < until]
    duplicates = sum(ranker.history.final_root(one.number) != one.number for one in known)
    history = _history(ranker, until, most_learned)
    compared = _Compared(ranker, lambda done: progress(done, len(history)))
    learned = [(one, compared.kept(one).example) for one in history if one.learned]
    models = [_before(learned, block, shipped) for block in range(_BLOCKS)]
    outcomes = [_outcome(ranker, one, compared.of(one), *models[one.block]) for one in history]
    enough = sum(one.is_duplicate for one in history) >= FEWEST_DUPLICATES
    judged = _judged(outcomes)
    calibration = calibration_of(judged, shipped.calibration)
    judged = calibrated(judged, calibration)
    found = steps(judged)
    model = fit([example for _, example in learned], shipped) if enough else shipped
    promised, kept = _check(outcomes, [one.block for one in history], shipped.calibration, floor)
    return Replay(
        len(known),
        duplicates,
        replace(model, calibration=calibration),
        judged,
        found,
        chosen(found, floor) if enough else None,
        floor,
        promised,
        kept,
    )


class _Compared:
    """Compares issues with those before them; what a model learns from is compared once and kept."""

    def __init__(self, ranker: Ranker, progress: Callable[[int], None]) -> None:
        self._ranker = ranker
        self._progress = progress
        self._kept: dict[int, Scored] = {}
        self._done = 0

    def kept(self, one: _Replayed) -> Scored:
        """Return the candidates of an issue, for a model that learns from it."""
        found = self._compared(one)
        found = replace(found, example=replace(found.example, weight=one.learned))
        self._kept[one.place] = found
        return found

    def of(self, one: _Replayed) -> Scored:
        """Return the candidates of an issue."""
        return self._kept.get(one.place) or self._compared(one)

    def _compared(self, one: _Replayed) -> Scored:
        found = self._ranker.compared(one.issue, place=one.place)
        self._done += 1
        self._progress(self._done)
        return found


def _before(learned: Sequence[tuple[_Replayed, Example]], block: int, shipped: Model) -> tuple[Model, bool]:
    """Return the model that the blocks before one teach, not calibrated, and whether they have enough duplicates."""
    earlier = [(one, example) for one, example in learned if one.block < block]
    is_learned = sum(one.is_duplicate for one, _ in earlier) >= FEWEST_DUPLICATES
    model = fit([example for _, example in earlier], shipped) if is_learned else shipped
    return replace(model, calibration=Calibration()), is_learned


def _judged(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """Return the outcomes that models of the repository predicted, or all if these have too few duplicates."""
    learned = [one for one in outcomes if one.is_learned]
    return learned if sum(one.is_duplicate for one in learned) >= FEWEST_DUPLICATES else outcomes


def _check(
    outcomes: Sequence[Outcome], blocks: Sequence[int], prior: Calibration, floor: float
) -> tuple[Promise | None, Step | None]:
    """Return what the blocks before the last promise, and what was seen in the last."""
    last = [one for one, block in zip(outcomes, blocks, strict=True) if block == _BLOCKS - 1]
    before = [one for one, block in zip(outcomes, blocks, strict=True) if block < _BLOCKS - 1 and one.is_learned]
    if not before:
        return None, None
    calibration = calibration_of(before, prior)
    promised = chosen(steps(calibrated(before, calibration)), floor)
    kept = step_at(calibrated(last, calibration), promised.threshold) if promised and last else None
    return promised, kept


def _history(ranker: Ranker, until: float | None, most_learned: int) -> list[_Replayed]:
    """Return the issues that are replayed, in order."""
    issues = ranker.corpus.issues
    duplicates = set(ranker.history.duplicates())
    places = [
        place
        for place, issue in enumerate(issues)
        if place >= _WARM_UP
        and not issue.is_bot
        and (until is None or issue.opened < until)
        and not ranker.corpus.is_sub_task(issue.author, issue.title, place)
    ]
    others = [place for place in places if issues[place].number not in duplicates]
    judged = _sample(others, _MOST_JUDGED)
    learned = _sample(judged, most_learned)
    weight, weight_learned = (len(others) / max(len(some), 1) for some in (judged, learned))
    kept, kept_learned = set(judged), set(learned)
    blocks = _blocks(np.array([issues[place].number in duplicates for place in places]))
    found = []
    for place, block in zip(places, blocks, strict=True):
        if issues[place].number in duplicates:
            found.append(_Replayed(place, issues[place], True, int(block), 1.0, 1.0))
        elif place in kept:
            learns = weight_learned if place in kept_learned else 0.0
            found.append(_Replayed(place, issues[place], False, int(block), weight, learns))
    return found


def _sample(places: Sequence[int], most: int) -> list[int]:
    return random.Random(0).sample(places, min(len(places), most))  # noqa: S311 - a sample, no secret


def _blocks(is_duplicate: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the block of each issue: blocks follow each other in time, with about as many duplicates in each."""
    seen = np.cumsum(is_duplicate)
    total = max(int(seen[-1]) if len(seen) else 0, 1)
    found: np.ndarray[Any, np.dtype[np.intp]] = np.minimum(seen * _BLOCKS // (total + 1), _BLOCKS - 1).astype(np.intp)
    return found


def _outcome(ranker: Ranker, one: _Replayed, scored: Scored, model: Model, is_learned: bool) -> Outcome:
    issue = one.issue
    ranked = ranker.ranked(scored, model, issue.opened)
    root = ranker.history.final_root(issue.number)
    right = [ranker.history.final_root(other.number) == root for other in ranked[:_DEPTH]]
    return Outcome(
        issue.number,
        issue.opened,
        one.is_duplicate,
        ranked[0].probability if ranked else 0.0,
        bool(right and right[0]),
        bool(ranked and ranker.history.is_confirmed(issue.number, ranked[0].number)),
        right.index(True) + 1 if True in right else 0,
        one.weight,
        is_learned,
    )
