"""Fit the weights of passages and of the likelihood of answers: `python -m bench.fit_passages --home FOLDER`.

Reads the questions of bench/data/fitting.jsonl and the half of ../shared/data/answers that may be looked at, and writes
rag/answer/weights.json. Passages are ranked by a listwise model: the softmax of their scores should be proportional to
the square of the share of the facts that they hold. The likelihood is two logistic regressions: whether the sources
answer the question (near-misses are the counterexamples), and whether the answer is right if they do.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answer_sets import CORPORA, Corpus, fitting_queries, half_of, opened, queries
from rag.answer.answering import Answerer
from rag.answer.compose import chosen, lead_of, shown
from rag.answer.extracts import Extractor
from rag.answer.likelihood import ANSWERABLE, RIGHT, likelihood_features
from rag.answer.scoring import WEIGHTS, Linear, Models
from rag.embedding import Encoder
from rag.engine import Engine
from rag.evaluate import Query
from rag.evaluate.facts import judged

__all__ = ["listwise", "logistic", "main"]

Matrix = NDArray[np.float64]

# Found on the fitting half, each as the best of three or four: the penalties of large weights, and the weight of the
# cosine of a passage, beside which fitting the other weights anew does not pay.
_RANKING_PENALTY, _LIKELIHOOD_PENALTY, _COSINE = 0.1, 20.0, 12.0
# Questions of users count twice as much as those that were written for fitting, and their near-misses three times.
_USERS, _USERS_NEAR_MISSES = 2.0, 3.0
# What too few questions tell apart: an example shows how better than a grammar does, and the line with the name of a
# manual page says what the thing is. They cost nothing on the fitting half.
_GIVEN = {"how: code": 1.0, "how: synopsis": -3.5, "definition: name line": 1.5}


@dataclass
class Example:
    """A question with the features of its passages, and the share of the facts that each holds."""

    query: Query
    weight: float
    rows: list[dict[str, float]]
    gains: list[float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the weights and write them."""
    parser = argparse.ArgumentParser(prog="python -m bench.fit_passages", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="keep the indexes in this folder, and reuse them")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write")
    options = parser.parse_args(arguments)
    examples: list[Example] = []
    likely: list[tuple[Query, float, dict[str, float], float]] = []
    for corpus in CORPORA:
        if not corpus.is_there:
            sys.stderr.write(f"skipped: {corpus.name}\n")
            continue
        with opened(corpus, options.home) as engine:
            examples += _ranked(engine, _asked(corpus))
    first = fit_first(examples)
    second = Linear(0.0, {**first.weights, "cosine": _COSINE})
    partial = Models(first, second, *[Linear(0.0, {})] * 2)
    for corpus in CORPORA:
        if corpus.is_there:
            with opened(corpus, options.home) as engine:
                likely += _likely(engine, _asked(corpus), partial)
    answerable, right = fit_likelihood(likely)
    fitted = {"first": first, "second": second, "answerable": answerable, "right": right}
    options.out.write_text(json.dumps({name: _json(model) for name, model in fitted.items()}, indent=1) + "\n")


def _asked(corpus: Corpus) -> list[tuple[Query, float]]:
    """Return the questions that may be fitted on, with their weights."""
    looked_at = [query for query in queries(corpus) if half_of(query) == "look"]
    return [
        *((query, 1.0) for query in fitting_queries().get(corpus.name, ())),
        *((query, _USERS if query.facts else _USERS_NEAR_MISSES) for query in looked_at),
    ]


def _json(model: Linear) -> dict[str, Any]:
    return {"bias": round(model.bias, 4), "weights": {name: round(one, 4) for name, one in model.weights.items()}}


def _ranked(engine: Engine, asked: Sequence[tuple[Query, float]]) -> Iterator[Example]:
    """Yield the questions with facts, with the features of all their passages; passages are not embedded."""
    answerer = engine.questions.answerer()
    for query, weight in asked:
        if query.facts:
            ranking, _ = answerer.ranking(query.text, embedded=None)
            gains = [_gain(query, f"{lead_of(one.passage)} {one.passage.text}") for one in ranking.scored]
            yield Example(query, weight, ranking.features, gains)


def _gain(query: Query, text: str) -> float:
    return float(np.mean([judged(text, [fact]) == "right" for fact in query.facts]))


def _likely(
    engine: Engine, asked: Sequence[tuple[Query, float]], weights: Models
) -> Iterator[tuple[Query, float, dict[str, float], float]]:
    """Yield each question with its weight, the features of its answer, and 1 if that is right."""
    answerer: Answerer = engine.questions.answerer(extractor=Extractor(_encoder(engine), weights))
    for query, weight in asked:
        ranking, results = answerer.ranking(query.text)
        if taken := chosen(ranking.scored, ranking.asked):
            text = shown([one.passage for one in taken])
            is_right = bool(query.facts) and judged(text, query.facts, query.wrong) == "right"
            yield query, weight, likelihood_features(ranking, taken, results), float(is_right)


def _encoder(engine: Engine) -> Encoder:
    return engine.encoders.of(engine.questions.active_index.embedding_model)


def fit_first(examples: Sequence[Example]) -> Linear:
    """Return the model that ranks passages without their vectors."""
    names = sorted({name for one in examples for row in one.rows for name in row} - set(_GIVEN))
    weights = listwise(
        [_matrix(one.rows, names) for one in examples], [np.array(one.gains) for one in examples], _RANKING_PENALTY
    )
    return Linear(0.0, {**dict(zip(names, map(float, weights), strict=True)), **_GIVEN})


def fit_likelihood(likely: Sequence[tuple[Query, float, Mapping[str, float], float]]) -> tuple[Linear, Linear]:
    """Return the models of whether the sources answer a question, and of whether the answer is then right."""
    weight = np.array([weight for _, weight, _, _ in likely])
    has_answer = np.array([bool(query.facts) for query, _, _, _ in likely])
    right = np.array([is_right for _, _, _, is_right in likely])
    rows = [features for _, _, features, _ in likely]
    return (
        _logistic(rows, ANSWERABLE, has_answer.astype(float), weight),
        _logistic([row for row, is_there in zip(rows, has_answer, strict=True) if is_there], RIGHT, right[has_answer]),
    )


def _logistic(
    rows: Sequence[Mapping[str, float]], names: Sequence[str], wanted: Matrix, weight: Matrix | None = None
) -> Linear:
    matrix = _matrix(rows, names)
    weights, bias = logistic(matrix, wanted, np.ones(len(rows)) if weight is None else weight, _LIKELIHOOD_PENALTY)
    return Linear(bias, dict(zip(names, map(float, weights), strict=True)))


def _matrix(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Matrix:
    return np.array([[row.get(name, 0.0) for name in names] for row in rows])


def listwise(rows: Sequence[Matrix], gains: Sequence[Matrix], penalty: float, *, steps: int = 300) -> Matrix:
    """Return weights, shape (features,), with which the softmax over each list is proportional to its squared gains.

    :param rows: for each list, shape (passages, features)
    :param gains: for each list, shape (passages,), in [0, 1]; lists without a difference are left out
    """
    together = np.concatenate(list(rows))
    spread = together.std(0) + 1e-6
    lists = [
        (part / spread, gain**2 / (gain**2).sum())
        for part, gain in zip(rows, gains, strict=True)
        if gain.max() > gain.min()
    ]

    def gradient(weights: Matrix) -> Matrix:
        total = penalty * weights
        for part, wanted in lists:
            odds = np.exp(part @ weights - (part @ weights).max())
            total = total + part.T @ (odds / odds.sum() - wanted) / len(lists)
        return total

    fitted: Matrix = _descended(gradient, together.shape[1], steps) / spread
    return fitted


def logistic(rows: Matrix, wanted: Matrix, weight: Matrix, penalty: float, *, steps: int = 600) -> tuple[Matrix, float]:
    """Return the weights, shape (features,), and the bias of a logistic regression.

    :param rows: shape (examples, features)
    :param wanted: shape (examples,), 0 or 1
    """
    mean, spread = rows.mean(0), rows.std(0) + 1e-6
    scaled = np.c_[(rows - mean) / spread, np.ones(len(rows))]
    kept = np.r_[np.full(rows.shape[1], penalty / len(rows)), 0.0]

    def gradient(weights: Matrix) -> Matrix:
        missed = weight * (1 / (1 + np.exp(-(scaled @ weights))) - wanted)
        slope: Matrix = scaled.T @ missed / len(rows) + kept * weights
        return slope

    *weights, bias = _descended(gradient, scaled.shape[1], steps)
    fitted = np.array(weights) / spread
    return fitted, float(bias - mean @ fitted)


def _descended(gradient: Callable[[Matrix], Matrix], size: int, steps: int, rate: float = 0.05) -> Matrix:
    """Return the minimum that Adam finds from 0."""
    weights, first, second = np.zeros(size), np.zeros(size), np.zeros(size)
    for step in range(1, steps + 1):
        slope = gradient(weights)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        weights = weights - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


if __name__ == "__main__":
    main()
