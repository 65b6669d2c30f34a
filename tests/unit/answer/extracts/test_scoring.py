"""Scores: the shipped weights, and the models fitted by bench.answers.fit_passages."""

from __future__ import annotations

import numpy as np
import pytest

from bench.answers.fit_passages import listwise, logistic
from rag.answer.extracts.scoring import Linear, models


def test_the_shipped_models_are_complete_and_weigh_what_they_should() -> None:
    shipped = models()
    assert shipped.second.weights["cosine"] > 0
    assert shipped.first.weights["coverage in all"] > 0
    assert shipped.answerable.weights["names missing"] < 0
    assert shipped.answerable.weights["rarest missing"] < 0


def test_a_probability_stays_in_its_bounds() -> None:
    model = Linear(0.0, {"a": 1e9})
    assert (model.probability({"a": 1}), model.probability({})) == (pytest.approx(1), 0.5)
    assert model.probability({"a": -1}) == pytest.approx(0, abs=1e-9)


def test_the_listwise_fit_finds_the_feature_that_tells_the_gain() -> None:
    random = np.random.default_rng(0)
    rows = [random.normal(size=(8, 3)) for _ in range(40)]
    gains = [(part[:, 1] == part[:, 1].max()).astype(float) for part in rows]
    weights = listwise(rows, gains, 0.01, np.ones(40))
    assert weights.argmax() == 1
    assert abs(weights[[0, 2]]).max() < weights[1] / 3


def test_the_logistic_fit_is_calibrated() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(3000, 2))
    wanted = (random.uniform(size=3000) < 1 / (1 + np.exp(-(2 * rows[:, 0] - 1)))).astype(float)
    weights, bias = logistic(rows, wanted, np.ones(3000), 0.1)
    assert weights == pytest.approx([2, 0], abs=0.2)
    assert bias == pytest.approx(-1, abs=0.2)
