"""`python -m rag.evaluate QUERIES.jsonl`: how well search finds the pages that are known to answer."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from rag.command import CommandParser, run
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.models import Evaluation

__all__ = ["Query", "Score", "evaluate", "main", "read_queries", "score"]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and the URLs that answer it. A gold that is no absolute URL matches by its last path part."""

    id: str
    text: str
    gold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How good one ranking is; each figure is in [0, 1]."""

    ndcg: float
    mrr: float
    recall: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate retrieval on a file of queries."""
    parser = CommandParser(
        prog="python -m rag.evaluate",
        description="Measure retrieval: nDCG, MRR and recall over queries whose answering pages are known.",
        examples=["python -m rag.evaluate queries.jsonl", "python -m rag.evaluate queries.jsonl --k 5 --json"],
    )
    parser.add_argument(
        "queries", type=Path, help='a JSON object a line: {"id": "q1", "query": "…", "gold": ["https://…"]}'
    )
    parser.add_argument("--k", type=int, default=10, metavar="K", help="results that count (default 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _evaluate, arguments)


def _evaluate(options: argparse.Namespace) -> int:
    if options.k < 1:
        raise ConfigurationError(f"--k is {options.k}; it must be at least 1.")
    queries = read_queries(options.queries)
    with Engine.open() as engine:
        outcome = evaluate(engine, queries, k=options.k)
    report = {
        "queries": outcome.queries,
        "k": outcome.k,
        "ndcg": round(outcome.ndcg, 4),
        "mrr": round(outcome.mrr, 4),
        "recall": round(outcome.recall, 4),
        "latency_ms": {"p50": round(outcome.latency_p50, 2), "p95": round(outcome.latency_p95, 2)},
    }
    if options.json:
        json.dump(report, sys.stdout)
        sys.stdout.write("\n")
    else:
        k = outcome.k
        sys.stdout.write(
            f"{outcome.queries} queries   nDCG@{k} {outcome.ndcg:.3f}   MRR@{k} {outcome.mrr:.3f}   "
            f"recall@{k} {outcome.recall:.3f}   "
            f"{outcome.latency_p50:.1f} ms (p50), {outcome.latency_p95:.1f} ms (p95)\n"
        )
    return 0


def read_queries(path: Path) -> list[Query]:
    """Read queries with gold URLs; those without any (unanswerable on purpose) are left out.

    :raises ConfigurationError: the file is missing, or a line is not of the form
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    queries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            query = Query(str(row["id"]), str(row["query"]), tuple(map(str, row["gold"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f'{path}, line {number}: expected {{"id", "query", "gold": [url, …]}}.') from error
        if query.gold:
            queries.append(query)
    if not queries:
        raise ConfigurationError(f"{path} holds no query with a gold URL.")
    return queries


def evaluate(engine: Engine, queries: Sequence[Query], *, k: int) -> Evaluation:
    """Search for every query; relevance is binary, and one document counts once."""
    scores: list[Score] = []
    milliseconds: list[float] = []
    engine.search(queries[0].text, top_k=k)  # loads the model, which is no part of a query's latency
    for query in queries:
        started = time.perf_counter()
        results = engine.search(query.text, top_k=k)
        milliseconds.append((time.perf_counter() - started) * 1000)
        scores.append(score([result.url for result in results], query.gold, k=k))
    milliseconds.sort()
    return Evaluation(
        queries=len(queries),
        k=k,
        ndcg=statistics.fmean(one.ndcg for one in scores),
        mrr=statistics.fmean(one.mrr for one in scores),
        recall=statistics.fmean(one.recall for one in scores),
        latency_p50=milliseconds[len(milliseconds) // 2],
        latency_p95=milliseconds[min(int(len(milliseconds) * 0.95), len(milliseconds) - 1)],
    )


def score(urls: Sequence[str], gold: Sequence[str], *, k: int) -> Score:
    """Score one ranking, best first, a URL a document; relevance is binary, and a gold counts where it comes first."""
    wanted = {_key(url) for url in gold}
    found: set[str] = set()
    gains = []
    for url in urls[:k]:
        new = (wanted & set(_keys(url))) - found
        gains.append(bool(new))
        found |= new
    ideal = sum(1 / math.log2(place + 2) for place in range(min(len(wanted), k)))
    return Score(
        ndcg=sum(gain / math.log2(place + 2) for place, gain in enumerate(gains)) / ideal,
        mrr=next((1 / place for place, gain in enumerate(gains, start=1) if gain), 0.0),
        recall=len(found) / len(wanted),
    )


def _key(gold: str) -> str:
    """Return what a gold is matched by: a URL as it is, anything else by its last path part."""
    if urlsplit(gold).scheme:
        return gold
    return _last_part(gold)


def _keys(url: str) -> tuple[str, str, str]:
    """Everything that a gold may say to mean this result."""
    return url, urldefrag(url).url, _last_part(url)


def _last_part(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]


if __name__ == "__main__":
    raise SystemExit(main())
