"""Fit the weights of passages and of the likelihood of answers: `python -m bench fit-passages --home FOLDER`.

Reads the questions of bench/data and the half of ../shared/data/answers that may be looked at, and writes
rag/answer/extracts/weights.json. Passages are ranked by a listwise model: the softmax of their scores should be
proportional to the square of the share of the facts that they hold, per word. The likelihood is two logistic regressions:
whether the sources answer the question (near-misses are the counterexamples), and whether the answer is right if they do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answers.sets import FITTING, SITUATIONS, Corpus, fitting_queries, half_of, opened, present, queries
from rag.answer.extracts.compose import LONG, Scored, chosen, lead_of, shown
from rag.answer.extracts.extractor import Extractor
from rag.answer.extracts.likelihood import ANSWERABLE, RIGHT, likelihood_features
from rag.answer.extracts.scoring import WEIGHTS, Linear, Models
from rag.embedding import Encoder
from rag.engine import Engine
from rag.evaluate import Query
from rag.evaluate.facts import judged

__all__ = ["GIVEN", "listwise", "logistic", "main"]

Matrix = NDArray[np.float64]

# The penalties of large weights: the best of three or four by cross-validation.
_RANKING_PENALTY, _ANSWERABLE_PENALTY, _RIGHT_PENALTY = 0.03, 20.0, 100.0
# How many passages of a question are embedded to fit the model that ranks embedded passages.
_EMBEDDED = 40
_FOLDS = 5
# Weights that the facts of the questions cannot teach, added to the fitted ones. An example shows how better than a grammar or
# the name of an argument does. A passage with the meaning of the question precedes one that only has its words. An expression
# of thanks answers nothing, and a maintainer is more reliable than other authors. A section whose heading is the question, or
# has both sides of a comparison, answers it. A passage that names authors says who wrote something. Cross-validation was no
# worse with these weights, but for those of authors, arguments and both sides, which were set by reading answers.
GIVEN = {
    "how: code": 0.5, "how: synopsis": -2.5, "cosine": 6.0, "acknowledges": -1.0,
    "comparison: label has the sides": 1.5, "label is the question": 2.0, "is trusted": 0.6,
    "author: made by": 3.0, "author: label": 2.0, "how: placeholder": -1.5,
}  # fmt: skip
# A long passage leaves less room for others: the gain of a passage is divided by the root of its words and these.
_WORDS_MORE = 30
# Questions as users put them count twice as much as the short ones, and their near-misses three times.
_USERS, _USERS_NEAR_MISSES = 2.0, 3.0


@dataclass
class Example:
    """A question with the features of its passages, and the share of the facts that each holds."""

    query: Query
    weight: float
    rows: list[dict[str, float]]
    gains: list[float]


@dataclass
class Outcome:
    """A question with the features of its answer, and whether that is right."""

    query: Query
    weight: float
    features: dict[str, float]
    is_right: bool
    is_right_if_long: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the weights and write them."""
    parser = argparse.ArgumentParser(prog="python -m bench fit-passages", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="keep the indexes in this folder, and reuse them")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write")
    options = parser.parse_args(arguments)
    by_words: list[Example] = []
    by_meaning: list[Example] = []
    likely: list[Outcome] = []
    corpora = list(present())
    for corpus in corpora:
        with opened(corpus, options.home) as engine:
            by_words += _ranked(engine, _asked(corpus), embedded=None)
            by_meaning += _ranked(engine, _asked(corpus), embedded=_EMBEDDED)
    # The likelihood is fitted on answers to questions that the passages were not ranked by.
    others = [_ranking(by_words, by_meaning, without=fold) for fold in range(_FOLDS)]
    for corpus in corpora:
        with opened(corpus, options.home) as engine:
            likely += _likely(engine, _asked(corpus), others)
    ranking = _ranking(by_words, by_meaning)
    answerable, right, right_if_long = fit_likelihood(likely)
    fitted = replace(ranking, answerable=answerable, right=right, right_if_long=right_if_long)
    options.out.write_text(json.dumps(_json(fitted), indent=1) + "\n")


def _fold_of(query: Query) -> int:
    return int(hashlib.sha256(query.text.encode()).hexdigest(), 16) % _FOLDS


def _ranking(by_words: Sequence[Example], by_meaning: Sequence[Example], without: int | None = None) -> Models:
    """Return models that rank passages, fitted on all questions but those of a fold; the others are empty."""
    first, second = (
        fit_ranking([one for one in examples if _fold_of(one.query) != without]) for examples in (by_words, by_meaning)
    )
    return Models(first, second, *[Linear(0.0, {})] * 3)


def _asked(corpus: Corpus) -> list[tuple[Query, float]]:
    """Return the questions that may be fitted on, with their weights."""
    looked_at = [query for query in queries(corpus) if half_of(query) == "look"]
    of_users = [*looked_at, *fitting_queries(SITUATIONS).get(corpus.name, ())]
    return [
        *((query, 1.0) for query in fitting_queries(FITTING).get(corpus.name, ())),
        *((query, _USERS if query.facts else _USERS_NEAR_MISSES) for query in of_users),
    ]


def _json(models: Models) -> dict[str, Any]:
    return {
        field.name: {
            "bias": round(model.bias, 4),
            "weights": {name: round(one, 4) for name, one in model.weights.items()},
        }
        for field in fields(models)
        if isinstance(model := getattr(models, field.name), Linear)
    }


def _ranked(engine: Engine, asked: Sequence[tuple[Query, float]], *, embedded: int | None) -> Iterator[Example]:
    """Yield the questions with facts, with the features of their passages.

    :param embedded: as in `Extractor.ranking`
    """
    answerer = engine.questions.answerer()
    for query, weight in asked:
        if query.facts:
            ranking, _ = answerer.ranking(query.text, embedded=embedded)
            gains = [_gain(query, one) for one in ranking.scored]
            yield Example(query, weight, ranking.features, gains)


def _gain(query: Query, scored: Scored) -> float:
    """Return the share of the facts that a passage holds, less if it is long."""
    text = f"{lead_of(scored.passage)} {scored.passage.text}"
    share = np.mean([judged(text, [fact]) == "right" for fact in query.facts])
    return float(share / math.sqrt(_WORDS_MORE + len(text.split())))


def _likely(engine: Engine, asked: Sequence[tuple[Query, float]], ranking: Sequence[Models]) -> Iterator[Outcome]:
    """Yield what becomes of each question.

    :param ranking: for each fold, models that were not fitted on its questions
    """
    answerers = [engine.questions.answerer(extractor=Extractor(_encoder(engine), models)) for models in ranking]
    for query, weight in asked:
        ranked, results = answerers[_fold_of(query)].ranking(query.text)
        if taken := chosen(ranked.scored, ranked.asked):
            longer = chosen(ranked.scored, ranked.asked, LONG)
            features = likelihood_features(ranked, taken, results)
            yield Outcome(query, weight, features, _is_right(query, taken), _is_right(query, longer))


def _is_right(query: Query, taken: Sequence[Scored]) -> bool:
    text = shown([one.passage for one in taken])
    return bool(query.facts) and judged(text, query.facts, query.wrong) == "right"


def _encoder(engine: Engine) -> Encoder:
    return engine.encoders.of(engine.questions.active_index.embedding_model)


def fit_ranking(examples: Sequence[Example]) -> Linear:
    """Return the model that ranks passages."""
    names = sorted({name for one in examples for row in one.rows for name in row})
    weights = listwise(
        [_matrix(one.rows, names) for one in examples],
        [np.array(one.gains) for one in examples],
        _RANKING_PENALTY,
        [one.weight for one in examples],
    )
    fitted = dict(zip(names, map(float, weights), strict=True))
    return Linear(0.0, {name: weight + GIVEN.get(name, 0.0) for name, weight in fitted.items()})


def fit_likelihood(likely: Sequence[Outcome]) -> tuple[Linear, Linear, Linear]:
    """Return the models of whether the sources answer a question, and of whether a short or long answer is then right."""
    have_answer = [one for one in likely if one.query.facts]
    counts = np.array([one.weight for one in likely])
    answerable = np.array([float(bool(one.query.facts)) for one in likely])
    right, right_if_long = (
        np.array([float(is_right) for is_right in outcomes])
        for outcomes in zip(*((one.is_right, one.is_right_if_long) for one in have_answer), strict=True)
    )
    same = np.ones(len(have_answer))
    return (
        _logistic(likely, ANSWERABLE, answerable, counts, _ANSWERABLE_PENALTY),
        _logistic(have_answer, RIGHT, right, same, _RIGHT_PENALTY),
        _logistic(have_answer, RIGHT, right_if_long, same, _RIGHT_PENALTY),
    )


def _logistic(
    likely: Sequence[Outcome], names: Sequence[str], wanted: Matrix, counts: Matrix, penalty: float
) -> Linear:
    weights, bias = logistic(_matrix([one.features for one in likely], names), wanted, counts, penalty)
    return Linear(bias, dict(zip(names, map(float, weights), strict=True)))


def _matrix(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Matrix:
    return np.array([[row.get(name, 0.0) for name in names] for row in rows])


def listwise(
    rows: Sequence[Matrix], gains: Sequence[Matrix], penalty: float, counts: Sequence[float], *, steps: int = 600
) -> Matrix:
    """Return weights, shape (features,), with which the softmax over each list is proportional to its squared gains.

    :param rows: for each list, shape (passages, features)
    :param gains: for each list, shape (passages,), in [0, 1]; lists without a difference are left out
    :param counts: how much each list counts
    """
    together = np.concatenate([part for part in rows if len(part)])
    spread = together.std(0) + 1e-6
    lists = [
        (part / spread, gain**2 / (gain**2).sum(), count)
        for part, gain, count in zip(rows, gains, counts, strict=True)
        if len(part) and gain.max() > gain.min()
    ]
    counted = sum(count for _, _, count in lists)

    def gradient(weights: Matrix) -> Matrix:
        total = penalty * weights
        for part, wanted, count in lists:
            odds = np.exp(part @ weights - (part @ weights).max())
            total = total + part.T @ (odds / odds.sum() - wanted) * (count / counted)
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
