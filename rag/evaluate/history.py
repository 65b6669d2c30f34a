"""Stored evaluations: the comparison of a new one with the last good one, and the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.evaluate.answers import evaluate_answers
from rag.evaluate.queries import Query, fingerprint, read_queries
from rag.evaluate.report import Evaluation
from rag.evaluate.retrieval import evaluate
from rag.store.evaluations import PastEvaluation

__all__ = ["METRICS", "Comparison", "Fall", "compare", "evaluate_and_keep", "measure", "metrics"]

#: The metrics that must not fall, with their paths in a report. Latency is excluded: it depends on the machine.
METRICS = {
    "ndcg": ("ndcg",),
    "mrr": ("mrr",),
    "recall": ("recall",),
    "citation_precision": ("answers", "citation_precision"),
    "support": ("answers", "support"),
    "gold_coverage": ("answers", "gold_coverage"),
    "abstention_auroc": ("answers", "abstention_auroc"),
    "right": ("answers", "right"),
}


@dataclass(frozen=True, slots=True)
class Fall:
    """A metric that fell by more than the allowed drop."""

    metric: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """An evaluation compared with the last good one of the same queries."""

    name: str
    report: dict[str, Any]
    #: the last good evaluation; None if there is none
    baseline: PastEvaluation | None
    falls: tuple[Fall, ...]
    #: the latest evaluations of the same queries, this one last
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
    """Evaluate retrieval on the queries with a gold URL.

    :param answers: also evaluate the answers to every query whose gold is known, even if empty; queries with facts are
        answered in any case
    :raises ConfigurationError: no query can be evaluated
    """
    if not answers and not any(query.facts for query in queries):
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
    """Evaluate a query file, compare the result with the last good evaluation of the same queries, and store it.

    :param allowed_drop: the largest drop of a metric, in [0, 1]; the evaluation counts as good if none fell by more
    :raises ConfigurationError: the file or `allowed_drop` is invalid
    """
    if not 0 <= allowed_drop <= 1:
        raise ConfigurationError(f"The allowed drop must be between 0 and 1, not {allowed_drop}.")
    queries = read_queries(path)
    rows = fingerprint(queries, k=k)
    report = measure(engine, queries, k=k, answers=answers).to_json()
    baseline = engine.evaluations.last_good(rows)
    falls = compare(baseline.report, report, allowed_drop=allowed_drop) if baseline else ()
    engine.evaluations.add(
        rows,
        name=path.stem,
        embedding_model=engine.questions.active_index.embedding_model,
        llm=engine.settings.llm,
        report=report,
        good=not falls,
    )
    return Comparison(path.stem, report, baseline, falls, tuple(engine.evaluations.history(rows)))


def compare(before: dict[str, Any], now: dict[str, Any], *, allowed_drop: float) -> tuple[Fall, ...]:
    """Return the metrics of both reports that fell by more than the allowed drop."""
    old, new = metrics(before), metrics(now)
    return tuple(
        Fall(name, old[name], new[name])
        for name in METRICS
        # Reports have four digits; a drop of exactly the allowed size must not fail on a rounding error.
        if name in old and name in new and old[name] - new[name] > allowed_drop + 1e-9
    )


def metrics(report: dict[str, Any]) -> dict[str, float]:
    """Return the metrics in a report; those it lacks are left out."""
    found = {}
    for name, path in METRICS.items():
        value: Any = report
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found[name] = float(value)
    return found
