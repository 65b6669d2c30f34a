"""The model: how likely each candidate is the same problem as a report, with "none of them" as one more candidate.

A conditional logit: the probability of a candidate is exp(score) over the sum of that of all candidates and of "none",
which has the score 0. The probabilities of one report therefore add up to at most 1. They are calibrated afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rag.triage.model.calibration import Calibration

__all__ = ["Example", "Model", "fit"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """A report with its candidates, and which of them people hold to be the same problem."""

    #: shape (candidates, features)
    rows: Matrix
    #: shape (candidates,)
    same: NDArray[np.bool_]
    #: for how many reports it stands
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """Weights of standardised features."""

    mean: Matrix
    spread: Matrix
    weights: Matrix
    bias: float
    #: from the sum of the probabilities of a thread and its duplicates to how likely it is the same problem
    calibration: Calibration = field(default_factory=Calibration)

    def probabilities(self, rows: Matrix) -> Matrix:
        """Return the probability of each candidate of one report, not calibrated, shape (candidates,)."""
        if not len(rows):
            return np.zeros(0)
        scores = np.clip((rows - self.mean) / self.spread, -6, 6) @ self.weights + self.bias
        highest = max(float(scores.max()), 0.0)
        odds = np.exp(scores - highest)
        found: Matrix = odds / (odds.sum() + np.exp(-highest))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the weights as JSON."""
        return {
            "mean": [round(float(one), 5) for one in self.mean],
            "spread": [round(float(one), 5) for one in self.spread],
            "weights": [round(float(one), 5) for one in self.weights],
            "bias": round(self.bias, 5),
            "calibration": self.calibration.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return the model that `to_json` wrote."""
        mean, spread, weights = (np.array(value[name], np.float64) for name in ("mean", "spread", "weights"))
        # The shipped weights have none, nor have replays of versions that did not calibrate.
        calibration = Calibration.from_json(value["calibration"]) if "calibration" in value else Calibration()
        return cls(mean, spread, weights, float(value["bias"]), calibration)


def fit(
    examples: Sequence[Example],
    prior: Model | None = None,
    *,
    rising: NDArray[np.bool_] | None = None,
    penalty: float = 3.0,
    steps: int = 250,
) -> Model:
    """Return the model that fits best, drawn towards a prior model: with few examples it stays close to that.

    :param rising: which weights must not be negative, shape (features + 1,); the last is the bias; None: all may be
    :param penalty: the weight of a squared difference from the prior, in examples
    """
    filled = [one for one in examples if len(one.rows)]
    rows = np.concatenate([one.rows for one in filled])
    mean, spread = (prior.mean, prior.spread) if prior else (rows.mean(0), rows.std(0) + 1e-6)
    scaled = np.c_[np.clip((rows - mean) / spread, -6, 6), np.ones(len(rows))]
    sizes = np.array([len(one.rows) for one in filled])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    lists = np.repeat(np.arange(len(filled)), sizes)
    same = np.concatenate([one.same for one in filled]).astype(float)
    weight = np.array([one.weight for one in filled])
    has_same = np.add.reduceat(same, starts) > 0
    first = np.r_[prior.weights, prior.bias] if prior else np.r_[np.zeros(rows.shape[1]), -3.0]
    kept = np.r_[np.full(rows.shape[1], penalty), penalty / 10] / weight.sum()

    def gradient(weights: Matrix) -> Matrix:
        scores = scaled @ weights
        highest = np.maximum(np.maximum.reduceat(scores, starts), 0.0)
        odds = np.exp(scores - highest[lists])
        total = np.add.reduceat(odds, starts) + np.exp(-highest)
        right = odds * same
        of_right = np.add.reduceat(right, starts)
        # d(-log P)/d(score): the probability among all, less the probability among the right ones.
        missed = odds / total[lists] - right / np.maximum(of_right, 1e-300)[lists] * has_same[lists]
        slope: Matrix = scaled.T @ (missed * weight[lists]) / weight.sum() + kept * (weights - first)
        return slope

    kept_up = np.zeros(len(first), np.bool_) if rising is None else rising
    *weights, bias = _descended(gradient, first, kept_up, steps)
    return Model(mean, spread, np.array(weights), float(bias))


def _descended(
    gradient: Callable[[Matrix], Matrix], start: Matrix, rising: NDArray[np.bool_], steps: int, rate: float = 0.05
) -> Matrix:
    """Return the minimum that Adam finds, with a rate that falls to a tenth; rising weights are kept from below 0."""
    weights, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        slope = gradient(weights)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        now = rate * (1 - 0.9 * step / steps)
        weights = weights - now * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weights[rising] = np.maximum(weights[rising], 0.0)
    return weights
