"""The figures of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rag.evaluate.facts import Correctness

__all__ = ["AnswerQuality", "Evaluation"]


@dataclass(frozen=True, slots=True)
class AnswerQuality:
    """How good the answers to a set of queries are; each share is in [0, 1], None where there was nothing to share.

    Answerable are the queries with a gold URL, unanswerable those whose gold is empty.
    """

    answerable: int
    unanswerable: int
    #: of the answerable ones
    answered: int
    #: of the unanswerable ones
    declined: int
    #: of the citations, the share whose chunk holds what the sentence says
    citation_precision: float | None
    #: of the sentences, the share that their citations hold
    support: float | None
    #: of the gold pages, the share that is cited
    gold_coverage: float | None
    #: how well the score tells answerable queries from the others: the chance that one of them has the higher score
    auroc: float | None
    #: milliseconds
    latency_p50: float
    latency_p95: float
    #: None if no query has facts
    correctness: Correctness | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.evaluate --answers --json` prints under "answers"."""
        return {
            "answerable": self.answerable,
            "unanswerable": self.unanswerable,
            "answered": self.answered,
            "declined": _rounded(self.declined / self.unanswerable) if self.unanswerable else None,
            "citation_precision": _rounded(self.citation_precision),
            "support": _rounded(self.support),
            "gold_coverage": _rounded(self.gold_coverage),
            "abstention_auroc": _rounded(self.auroc),
            "latency_ms": {"p50": round(self.latency_p50, 2), "p95": round(self.latency_p95, 2)},
            **(self.correctness.to_json() if self.correctness else {}),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good retrieval is over a set of queries, and, if asked for, the answers; latencies are in milliseconds."""

    queries: int
    k: int
    ndcg: float | None
    mrr: float | None
    recall: float | None
    latency_p50: float
    latency_p95: float
    answers: AnswerQuality | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.evaluate --json` prints."""
        report: dict[str, Any] = {
            "queries": self.queries,
            "k": self.k,
            "ndcg": _rounded(self.ndcg),
            "mrr": _rounded(self.mrr),
            "recall": _rounded(self.recall),
            "latency_ms": {"p50": round(self.latency_p50, 2), "p95": round(self.latency_p95, 2)},
        }
        return report if self.answers is None else {**report, "answers": self.answers.to_json()}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
