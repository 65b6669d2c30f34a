"""Scores: linear models of features, whose weights are read from a file that `python -m bench fit-passages` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

__all__ = ["WEIGHTS", "Linear", "Models", "models"]

#: The file of the weights.
WEIGHTS = Path(__file__).with_name("weights.json")


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model."""

    bias: float
    weights: Mapping[str, float]

    def score(self, features: Mapping[str, float]) -> float:
        """Return the score of features; a feature without a weight does not count."""
        return self.bias + sum(weight * features.get(name, 0.0) for name, weight in self.weights.items())

    def probability(self, features: Mapping[str, float]) -> float:
        """Return the score as a probability, in [0, 1]."""
        return 1 / (1 + math.exp(-max(min(self.score(features), 30.0), -30.0)))


@dataclass(frozen=True, slots=True)
class Models:
    """The models of an answer."""

    #: ranks all passages; the best are embedded
    first: Linear
    #: ranks the embedded passages
    second: Linear
    #: the probability that the sources answer a question
    answerable: Linear
    #: the probability that a short answer is right, and a long one, if the sources answer the question
    right: Linear
    right_if_long: Linear

    def likelihood(self, features: Mapping[str, float], *, is_long: bool = False) -> float:
        """Return the probability that an answer is right, in [0, 1]."""
        right = self.right_if_long if is_long else self.right
        return self.answerable.probability(features) * right.probability(features)


@cache
def models() -> Models:
    """Return the models that are shipped."""
    read = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Models(*(Linear(read[field.name]["bias"], read[field.name]["weights"]) for field in fields(Models)))
