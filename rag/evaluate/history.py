"""Evaluations that are kept: which metrics fell since the last good one, and how they went over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.evaluate.answers import evaluate_answers
from rag.evaluate.queries import Query, fingerprint, read_queries
from rag.evaluate.retrieval import evaluate
from rag.models import Evaluation, PastEvaluation

__all__ = ["METRICS", "Comparison", "Fall", "compare", "evaluate_and_keep", "measure", "metrics"]

#: The shares of a report that must not fall, by their paths in it. Latency is left out: it is the machine's as well.
METRICS = {
    "ndcg": ("ndcg",),
    "mrr": ("mrr",),
    "recall": ("recall",),
    "citation_precision": ("answers", "citation_precision"),
    "support": ("answers", "support"),
    "gold_coverage": ("answers", "gold_coverage"),
    "abstention_auroc": ("answers", "abstention_auroc"),
}


@dataclass(frozen=True, slots=True)
class Fall:
    """A metric that fell by more than is allowed."""

    metric: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """An evaluation beside the last good one of the same rows."""

    name: str
    report: dict[str, Any]
    #: None: it is the first
    baseline: PastEvaluation | None
    falls: tuple[Fall, ...]
    #: the latest evaluations of these rows, this one last
    history: tuple[PastEvaluation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `flows.evaluate --json` prints."""
        return {
            **self.report,
            "name": self.name,
            "baseline": {"at": self.baseline.at.isoformat(), **self.baseline.report} if self.baseline else None,
            "falls": [{"metric": fall.metric, "before": fall.before, "now": fall.now} for fall in self.falls],
            "evaluations": len(self.history),
        }


def measure(engine: Engine, queries: Sequence[Query], *, k: int, answers: bool = False) -> Evaluation:
    """Evaluate retrieval on the queries with a gold URL, and, if asked for, the answers to all whose gold is known.

    :raises ConfigurationError: there is nothing to measure
    """
    if not answers:
        return evaluate(engine, queries, k=k)
    quality = evaluate_answers(engine, queries)
    if not any(query.gold for query in queries):
        return Evaluation(0, k, None, None, None, 0.0, 0.0, quality)
    found = evaluate(engine, queries, k=k)
    return Evaluation(
        found.queries, k, found.ndcg, found.mrr, found.recall, found.latency_p50, found.latency_p95, quality
    )


def evaluate_and_keep(
    engine: Engine, path: Path, *, k: int = 10, answers: bool = False, allowed_drop: float = 0.02
) -> Comparison:
    """Evaluate a file, compare with the last good evaluation of the same rows, and keep it.

    :param allowed_drop: how much lower a metric may be; one that is lower by more makes this no good evaluation
    :raises ConfigurationError: the file is wrong, or `allowed_drop` is none
    """
    if not 0 <= allowed_drop <= 1:
        raise ConfigurationError(f"The allowed drop is {allowed_drop}; it must be between 0 and 1.")
    queries = read_queries(path)
    rows = fingerprint(queries, k=k)
    report = measure(engine, queries, k=k, answers=answers).to_json()
    baseline = engine.store.last_good_evaluation(rows)
    falls = compare(baseline.report, report, allowed_drop=allowed_drop) if baseline else ()
    engine.store.add_evaluation(
        rows,
        name=path.stem,
        embedding_model=engine.active_index.embedding_model,
        llm=engine.settings.llm,
        report=report,
        good=not falls,
    )
    return Comparison(path.stem, report, baseline, falls, tuple(engine.store.evaluations(rows)))


def compare(before: dict[str, Any], now: dict[str, Any], *, allowed_drop: float) -> tuple[Fall, ...]:
    """Return the metrics that both reports have and that fell by more than is allowed."""
    old, new = metrics(before), metrics(now)
    return tuple(
        Fall(name, old[name], new[name])
        for name in METRICS
        # Reports hold four digits, and a drop of exactly what is allowed must not fail on the fifteenth.
        if name in old and name in new and old[name] - new[name] > allowed_drop + 1e-9
    )


def metrics(report: dict[str, Any]) -> dict[str, float]:
    """Return the metrics that a report has."""
    found = {}
    for name, path in METRICS.items():
        value: Any = report
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found[name] = float(value)
    return found
