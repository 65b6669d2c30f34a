"""Replay: what would have been said of each issue when it was opened, and how often that would have been right.

The model of a repository is learned from its declared duplicates, and judged out of time: each block of its history is
predicted by a model that was fitted on earlier blocks only. The threshold is the lowest at which precision is at least
the floor, with a margin for chance; where there is none, nothing is said.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rag.triage.history import Issue
from rag.triage.model import Model, fit
from rag.triage.ranking import Ranker, Scored

__all__ = ["FEWEST_DUPLICATES", "Outcome", "Replay", "Step", "replayed"]

#: The number of blocks of the history; each has about as many declared duplicates.
_BLOCKS = 6
#: With fewer declared duplicates, the repository's own are not fitted on, and no threshold is chosen.
FEWEST_DUPLICATES = 20
# At most this number of issues without a declared duplicate are replayed: a sample if there are more.
_MOST_OTHERS = 4_000
# The first issues have too little before them.
_WARM_UP = 30
# A threshold is not chosen on fewer issues that would have got a comment.
_FEWEST_SPOKEN = 20
# One-sided 80% confidence.
_MARGIN = 0.84
_STEPS = (*(round(0.05 * step, 2) for step in range(1, 20)), 0.97, 0.99)
_DEPTH = 10
# What was seen at the chosen threshold.
_OBSERVED = ("precision", "at_least", "recall", "declared", "of_duplicates")


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
    """Precision and recall at a threshold."""

    threshold: float
    #: the issues that would have got a comment
    spoken: float
    #: the share of these comments that people confirmed: by declaring the duplicate, by naming one issue in the other,
    #: or by fixing both at once
    precision: float
    #: what precision is at least, with 80% confidence
    at_least: float
    #: the share of the declared duplicates that would have got a right comment
    recall: float
    #: the share of these comments whose thread was declared the duplicate; many duplicates are never declared
    declared: float
    #: the same, over the declared duplicates alone
    of_duplicates: float

    def to_json(self) -> dict[str, float]:
        """Return the row of the table."""
        names = ("threshold", "spoken", "precision", "at_least", "recall", "declared", "of_duplicates")
        return {name: round(getattr(self, name), 4) for name in names}


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay taught."""

    issues: int
    duplicates: int
    model: Model
    #: out of time: predicted by models that were fitted on earlier blocks, or by the shipped model
    outcomes: Sequence[Outcome]
    steps: Sequence[Step]
    #: None: nothing is said in public
    chosen: Step | None
    floor: float
    #: the last block, which no threshold was chosen by: the precision at the threshold that the blocks before it choose
    promised: Step | None
    kept: Step | None

    @property
    def ndcg(self) -> float | None:
        """The mean nDCG@10 of the declared duplicates; None without any."""
        gains = [1 / math.log2(one.rank + 1) if one.rank else 0.0 for one in self.outcomes if one.is_duplicate]
        return sum(gains) / len(gains) if gains else None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --replay --json` prints."""
        found = self.chosen.to_json() if self.chosen else None
        return {
            "issues": self.issues,
            "duplicates": self.duplicates,
            "replayed": len(self.outcomes),
            "ndcg": None if self.ndcg is None else round(self.ndcg, 4),
            "floor": self.floor,
            "threshold": self.chosen.threshold if self.chosen else None,
            **{name: found[name] if found else None for name in _OBSERVED},
            "silent": self.chosen is None,
            "check": {
                "promised": self.promised.to_json() if self.promised else None,
                "kept": self.kept.to_json() if self.kept else None,
            },
            "thresholds": [step.to_json() for step in self.steps],
        }


def replayed(
    ranker: Ranker,
    shipped: Model,
    *,
    floor: float,
    until: float | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Replay:
    """Go over the history of a repository.

    :param shipped: the model that is used before the repository's own can be fitted
    :param floor: the least precision at which something may be said, in [0, 1]
    :param until: use only issues that were opened before this time, in seconds since 1970
    :param progress: called with the number of issues done and of all
    """
    chosen = list(_sample(ranker, until))
    duplicates = set(ranker.history.duplicates())
    compared = []
    for done, (place, issue, weight) in enumerate(chosen):
        scored = ranker.compared(issue, place=place)
        compared.append((issue, scored, replace(scored.example, weight=weight)))
        progress(done + 1, len(chosen))
    is_duplicate = np.array([issue.number in duplicates for issue, _, _ in compared])
    blocks = _blocks(is_duplicate)
    outcomes: list[Outcome] = []
    for block in range(_BLOCKS):
        earlier = [example for (_, _, example), at in zip(compared, blocks, strict=True) if at < block]
        known = int(is_duplicate[blocks < block].sum())
        is_learned = known >= FEWEST_DUPLICATES
        model = fit(earlier, shipped) if is_learned else shipped
        outcomes += [
            _outcome(ranker, issue, scored, model, example.weight, issue.number in duplicates, is_learned)
            for (issue, scored, example), at in zip(compared, blocks, strict=True)
            if at == block
        ]
    enough = int(is_duplicate.sum()) >= FEWEST_DUPLICATES
    model = fit([example for _, _, example in compared], shipped) if enough else shipped
    learned = [one for one in outcomes if one.is_learned]
    judged = learned if sum(one.is_duplicate for one in learned) >= FEWEST_DUPLICATES else outcomes
    steps = _steps(judged)
    last = [one for one, at in zip(outcomes, blocks, strict=True) if at == _BLOCKS - 1]
    before = [one for one, at in zip(outcomes, blocks, strict=True) if at < _BLOCKS - 1 and one.is_learned]
    promised = _chosen(_steps(before), floor) if before else None
    kept = _step(last, promised.threshold) if promised and last else None
    return Replay(
        len(ranker.corpus),
        len(duplicates),
        model,
        judged,
        steps,
        _chosen(steps, floor) if enough else None,
        floor,
        promised,
        kept,
    )


def _sample(ranker: Ranker, until: float | None) -> Iterator[tuple[int, Issue, float]]:
    """Yield the place of each issue that is replayed, the issue, and for how many it stands, in order."""
    duplicates = set(ranker.history.duplicates())
    places = [
        place
        for place, issue in enumerate(ranker.corpus.issues)
        if place >= _WARM_UP
        and not issue.is_bot
        and (until is None or issue.opened < until)
        and not ranker.corpus.is_sub_task(issue.author, issue.title, place)
    ]
    others = [place for place in places if ranker.corpus.issues[place].number not in duplicates]
    kept = set(random.Random(0).sample(others, min(len(others), _MOST_OTHERS)))  # noqa: S311 - a sample, no secret
    weight = len(others) / max(len(kept), 1)
    for place in places:
        issue = ranker.corpus.issues[place]
        if issue.number in duplicates or place in kept:
            yield place, issue, 1.0 if issue.number in duplicates else weight


def _blocks(is_duplicate: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the block of each issue: blocks follow each other in time, with about as many duplicates in each."""
    seen = np.cumsum(is_duplicate)
    total = max(int(seen[-1]) if len(seen) else 0, 1)
    found: np.ndarray[Any, np.dtype[np.intp]] = np.minimum(seen * _BLOCKS // (total + 1), _BLOCKS - 1).astype(np.intp)
    return found


def _outcome(
    ranker: Ranker, issue: Issue, scored: Scored, model: Model, weight: float, is_duplicate: bool, is_learned: bool
) -> Outcome:
    ranked = ranker.ranked(scored, model, issue.opened)
    root = ranker.history.final_root(issue.number)
    right = [ranker.history.final_root(one.number) == root for one in ranked[:_DEPTH]]
    return Outcome(
        issue.number,
        issue.opened,
        is_duplicate,
        ranked[0].probability if ranked else 0.0,
        bool(right and right[0]),
        bool(ranked and ranker.history.is_confirmed(issue.number, ranked[0].number)),
        right.index(True) + 1 if True in right else 0,
        weight,
        is_learned,
    )


def _steps(outcomes: Sequence[Outcome]) -> list[Step]:
    return [_step(outcomes, threshold) for threshold in _STEPS]


def _step(outcomes: Sequence[Outcome], threshold: float) -> Step:
    spoken = [one for one in outcomes if one.probability >= threshold]
    total = sum(one.weight for one in spoken)
    right = sum(one.weight for one in spoken if one.is_confirmed)
    duplicates = sum(one.is_duplicate for one in outcomes)
    found = sum(one.is_duplicate and one.is_right for one in spoken)
    precision = right / total if total else 0.0
    declared = sum(one.weight for one in spoken if one.is_right)
    spoken_duplicates = sum(one.is_duplicate for one in spoken)
    return Step(
        threshold,
        total,
        precision,
        _at_least(precision, spoken),
        found / max(duplicates, 1),
        declared / total if total else 0.0,
        found / max(spoken_duplicates, 1),
    )


def _at_least(precision: float, spoken: Sequence[Outcome]) -> float:
    """Return Wilson's lower bound of a precision, by the number of issues that a weighted sample is worth."""
    squares = sum(one.weight**2 for one in spoken)
    size = sum(one.weight for one in spoken) ** 2 / squares if squares else 0.0
    if not size:
        return 0.0
    square = _MARGIN**2 / size
    centre = precision + square / 2
    spread = _MARGIN * math.sqrt(precision * (1 - precision) / size + square / (4 * size))
    return max((centre - spread) / (1 + square), 0.0)


def _chosen(steps: Sequence[Step], floor: float) -> Step | None:
    """Return the lowest threshold from which on precision is at least the floor, with the margin."""
    found = None
    for step in reversed(steps):
        if step.spoken < _FEWEST_SPOKEN:
            continue
        if step.at_least < floor:
            break
        found = step
    return found
