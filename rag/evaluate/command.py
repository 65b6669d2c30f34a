"""The command `python -m rag.evaluate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rag.command import CommandParser, number_argument, print_json, run
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.evaluate.facts import Correctness
from rag.evaluate.history import measure
from rag.evaluate.queries import read_queries, write_queries
from rag.evaluate.report import AnswerQuality, Evaluation
from rag.evaluate.threads import queries_from_down_votes, queries_from_threads

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate query files, or generate one."""
    parser = CommandParser(
        prog="python -m rag.evaluate",
        description="Measure retrieval (nDCG, MRR, recall) on queries with known answering pages and, with --answers, "
        "the quality of the answers. Or generate a query file from ingested threads or down-voted answers.",
        examples=[
            "python -m rag.evaluate queries.jsonl",
            "python -m rag.evaluate queries.jsonl --k 5 --json",
            "python -m rag.evaluate questions.jsonl unanswerable.jsonl --answers",
            "python -m rag.evaluate --from-threads tuning.jsonl --until 2024-01-01",
            "python -m rag.evaluate --from-down-votes wrong.jsonl",
        ],
    )
    parser.add_argument(
        "queries",
        type=Path,
        nargs="*",
        metavar="QUERIES.jsonl",
        help='one JSON object per line: {"id": "q1", "query": "…", "gold": ["https://…"]}',
    )
    parser.add_argument("--k", type=number_argument, default=10, metavar="K", help="results to score (default 10)")
    parser.add_argument("--answers", action="store_true", help="also answer the queries, and score the answers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    generated = parser.add_mutually_exclusive_group()
    generated.add_argument(
        "--from-threads",
        type=Path,
        metavar="OUT.jsonl",
        help="generate queries from answered discussions and from pull requests that fix issues",
    )
    generated.add_argument(
        "--from-down-votes", type=Path, metavar="OUT.jsonl", help="generate queries from answers with a thumb down"
    )
    parser.add_argument("--source", action="append", metavar="NAME", help="use threads of this source only")
    parser.add_argument("--since", type=_date, metavar="DATE", help="use threads created on this day or later")
    parser.add_argument("--until", type=_date, metavar="DATE", help="use threads created before this day")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    if options.from_threads or options.from_down_votes:
        if options.queries:
            raise ConfigurationError("Pass query files to evaluate, or --from-threads to generate one, not both.")
        return _generate(options)
    if not options.queries:
        raise ConfigurationError("No query file is given; pass one, or generate one with --from-threads.")
    return _measure(options)


def _generate(options: argparse.Namespace) -> int:
    path: Path = options.from_threads or options.from_down_votes
    with Engine.open() as engine:
        if options.from_down_votes:
            queries = queries_from_down_votes(engine.answer_log)
        else:
            queries = queries_from_threads(
                engine.evaluations, _github_sources(engine, options.source), since=options.since, until=options.until
            )
    count = write_queries(path, queries)
    unknown = sum(query.gold is None for query in queries)
    if options.json:
        print_json({"file": str(path), "queries": count, "without_gold": unknown})
    else:
        sys.stdout.write(f"{count} queries in {path}\n")
        if unknown:
            sys.stdout.write(f'Rows without gold pages: {unknown}. Replace "gold": null in them.\n')
    return 0


def _github_sources(engine: Engine, wanted: Sequence[str] | None) -> list[str]:
    known = [status.name for status in engine.operations.sources() if status.kind == "github"]
    for name in wanted or ():
        if name not in known:
            raise ConfigurationError(f"Unknown GitHub source {name!r}; ingested: {', '.join(known) or 'none'}.")
    return list(wanted or known)


def _measure(options: argparse.Namespace) -> int:
    if options.k < 1:
        raise ConfigurationError(f"--k must be at least 1, not {options.k}.")
    queries = read_queries(*options.queries)
    with Engine.open() as engine:
        outcome = measure(engine, queries, k=options.k, answers=options.answers)
    if options.json:
        print_json(outcome.to_json())
    else:
        sys.stdout.write("\n".join(_lines(outcome)) + "\n")
    return 0


def _lines(outcome: Evaluation) -> list[str]:
    k = outcome.k
    lines = []
    if outcome.queries:
        lines.append(
            f"{outcome.queries} queries   nDCG@{k} {_share(outcome.ndcg)}   MRR@{k} {_share(outcome.mrr)}   "
            f"recall@{k} {_share(outcome.recall)}   "
            f"{outcome.latency_p50:.1f} ms (p50), {outcome.latency_p95:.1f} ms (p95)"
        )
    return lines + (_answer_lines(outcome.answers) if outcome.answers else [])


def _answer_lines(answers: AnswerQuality) -> list[str]:
    return _quality_lines(answers) + (_correctness_lines(answers.correctness) if answers.correctness else [])


def _correctness_lines(found: Correctness) -> list[str]:
    shares = found.to_json()
    names = ("right", "partly", "wrong", "abstained", "declined", "gold_first")
    lines = ["            " + "   ".join(f"{name.replace('_', ' ')} {_share(shares[name])}" for name in names)]
    lines[0] += f"   {'–' if found.words is None else f'{found.words:.0f}'} words"
    for kind, counted in shares["kinds"].items():
        outcomes = "   ".join(f"{name} {counted.get(name, 0):>3}" for name in names[:4])
        lines.append(f"  {kind or 'any kind':<20}{outcomes}")
    return lines


def _quality_lines(answers: AnswerQuality) -> list[str]:
    return [
        f"{answers.answerable + answers.unanswerable} answers   "
        f"answered {answers.answered} of {answers.answerable}   "
        f"declined {answers.declined} of {answers.unanswerable} unanswerable   "
        f"AUROC {_share(answers.auroc)}",
        f"            citation precision {_share(answers.citation_precision)}   support {_share(answers.support)}   "
        f"gold pages cited {_share(answers.gold_coverage)}   "
        f"{answers.latency_p50:.1f} ms (p50), {answers.latency_p95:.1f} ms (p95)",
    ]


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date (YYYY-MM-DD)") from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
