"""Calibration: from the probabilities of a model to the shares that come true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibration", "Values"]

Values = NDArray[np.float64]

_LEAST = 1e-4
_NEAR = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """A straight line over log odds (Platt): it keeps the order of probabilities."""

    shift: float = 0.0
    slope: float = 1.0

    def __call__(self, probabilities: Values) -> Values:
        """Return the calibrated probabilities, of the same shape."""
        found: Values = 1 / (1 + np.exp(-(self.shift + self.slope * _log_odds(probabilities))))
        return found

    def fitted(
        self, probabilities: Values, came_true: Values, weights: Values, *, penalties: tuple[float, float]
    ) -> Self:
        """Return the calibration that fits best, drawn towards this one: with few outcomes it stays close to it.

        :param came_true: 1 or 0 for each probability
        :param weights: for how many outcomes each stands
        :param penalties: of a squared difference in shift and in slope
        """
        rows = np.c_[np.ones(len(probabilities)), _log_odds(probabilities)]
        prior, penalty = np.array([self.shift, self.slope]), np.array(penalties)
        found = prior.copy()
        for _ in range(50):
            expected = 1 / (1 + np.exp(-rows @ found))
            slope = rows.T @ (weights * (expected - came_true)) + penalty * (found - prior)
            curve = (rows.T * (weights * expected * (1 - expected))) @ rows + np.diag(penalty)
            change = np.linalg.solve(curve, slope)
            found = found - change
            if np.abs(change).max() < _NEAR:
                break
        shift, steepness = map(float, found)
        return type(self)(shift, max(steepness, _LEAST))

    def to_json(self) -> dict[str, Any]:
        """Return the two numbers as JSON."""
        return {"shift": round(self.shift, 5), "slope": round(self.slope, 5)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return the calibration that `to_json` wrote."""
        return cls(float(value["shift"]), float(value["slope"]))


def _log_odds(probabilities: Values) -> Values:
    safe = np.clip(probabilities, _LEAST, 1 - _LEAST)
    odds: Values = np.log(safe / (1 - safe))
    return odds
