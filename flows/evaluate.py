"""Evaluate search and answers as a flow run, which fails if a metric has fallen: `python -m flows.evaluate`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import Field
from rich.console import Console

from flows.engine import in_thread, shared_engine
from flows.prefect.endings import told
from flows.prefect.retries import retrying_task
from flows.prefect.returned import keep, returned_as
from flows.prefect.run_records import artifact_key
from flows.prefect.server import connected, log_to, wanted_server
from rag.command import CommandParser, number_argument, print_json, run
from rag.errors import ConfigurationError
from rag.evaluate.history import Comparison, evaluate_and_keep, metrics
from rag.evaluate.queries import read_queries
from rag.settings import load_settings

__all__ = ["evaluate", "main", "measure", "trend"]

ALLOWED_DROP = 0.02

# The heights of a bar in a line of text.
_BARS = "▁▂▃▄▅▆▇█"


def _run_name() -> str:
    return f"evaluate {Path(str(runtime.flow_run.parameters['queries'])).stem}"


@retrying_task("measure {queries}")
async def measure(queries: str, k: int, answers: bool, allowed_drop: float) -> Comparison:
    """Measure, compare with the last good evaluation, and store the outcome."""

    def work() -> Comparison:
        with shared_engine() as engine:
            return evaluate_and_keep(engine, Path(queries), k=k, answers=answers, allowed_drop=allowed_drop)

    return await in_thread(work)


@flow(name="evaluate", flow_run_name=_run_name, persist_result=False)
@told
async def evaluate(
    queries: str,
    k: Annotated[int, Field(ge=1)] = 10,
    answers: bool = False,
    allowed_drop: Annotated[float, Field(ge=0, le=1)] = ALLOWED_DROP,
) -> Comparison | State[Any]:
    """Evaluate a file of queries and compare the metrics with the last good run over the same rows.

    The markdown artifact of the run shows the metrics and their history. The run is Failed if a metric has fallen by
    more than `allowed_drop`; the next run is again compared with the last good one.

    Args:
        queries: The path of a file of queries, as rag.evaluate reads it.
        k: The number of results that count.
        answers: Ask the questions as well, and judge the answers.
        allowed_drop: The largest permitted fall of a metric since the last good run.

    """
    comparison = await measure(queries, k, answers, allowed_drop)
    await acreate_markdown_artifact(
        trend(comparison), key=artifact_key("evaluation", comparison.name), description=_sentence(comparison)
    )
    if comparison.falls:
        return keep(Failed(message=_sentence(comparison), data=comparison))
    return keep(comparison)


def _sentence(comparison: Comparison) -> str:
    if not comparison.falls:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics(comparison.report).items())
        return f"{comparison.name}: {shown}"
    falls = ", ".join(f"{fall.metric} from {fall.before:.3f} to {fall.now:.3f}" for fall in comparison.falls)
    return f"{comparison.name} fell: {falls}."


def trend(comparison: Comparison) -> str:
    """Return the metrics of an evaluation and of earlier ones as Markdown tables, with a bar chart of each metric."""
    history = comparison.history
    now = metrics(comparison.report)
    before = metrics(comparison.baseline.report) if comparison.baseline else {}
    fell = {fall.metric for fall in comparison.falls}
    lines = [
        f"## {comparison.name}",
        "",
        _sentence(comparison),
        "",
        "| metric | now | last good | trend | |",
        "|---|---|---|---|---|",
    ]
    for name, value in now.items():
        past = [found[name] for found in (metrics(one.report) for one in history) if name in found]
        good = f"{before[name]:.3f}" if name in before else "–"
        lines.append(f"| {name} | {value:.3f} | {good} | {_bars(past)} | {'fell' if name in fell else ''} |")
    lines += ["", "| run | model | " + " | ".join(now) + " | |", "|---|---|" + "---|" * (len(now) + 1)]
    for one in reversed(history):
        found = metrics(one.report)
        cells = " | ".join(f"{found[name]:.3f}" if name in found else "–" for name in now)
        model = f"{one.embedding_model}, {one.llm}"
        lines.append(f"| {one.at:%Y-%m-%d %H:%M} | {model} | {cells} | {'' if one.good else 'fell'} |")
    return "\n".join(lines)


def _bars(values: Sequence[float]) -> str:
    """Return values as a bar chart of one line, scaled from the lowest to the highest value."""
    low, high = min(values), max(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * steps) if high > low else steps] for value in values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate the file on the command line."""
    parser = CommandParser(
        prog="python -m flows.evaluate",
        description="Evaluate a file of queries as a Prefect flow run, store the outcome, and fail if a metric has "
        "fallen by more than --allowed-drop since the last good run over the same rows.",
        examples=[
            "python -m flows.evaluate queries.jsonl",
            "python -m flows.evaluate queries.jsonl --allowed-drop 0.01 --json",
            "python -m flows.evaluate questions.jsonl --answers",
        ],
    )
    parser.add_argument("queries", type=Path, metavar="QUERIES.jsonl", help="a query file of rag.evaluate")
    parser.add_argument("--k", type=number_argument, default=10, metavar="K", help="results to score (default 10)")
    parser.add_argument("--answers", action="store_true", help="also answer the queries, and score the answers")
    parser.add_argument(
        "--allowed-drop",
        type=float,
        default=ALLOWED_DROP,
        metavar="SHARE",
        help=f"the largest permitted fall of a metric since the last good run (default {ALLOWED_DROP})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _evaluate, arguments)


def _evaluate(options: argparse.Namespace) -> int:
    if options.k < 1:
        raise ConfigurationError(f"--k is {options.k}; it must be at least 1.")
    if not 0 <= options.allowed_drop <= 1:
        raise ConfigurationError(f"--allowed-drop is {options.allowed_drop}; it must be between 0 and 1.")
    read_queries(options.queries)
    console = Console(stderr=True)
    log_to(console, debug=options.debug)
    server = wanted_server()
    with server or nullcontext(), shared_engine(load_settings()) as engine:
        engine.questions.active_index  # noqa: B018 - says what to do if the index is empty, before Prefect is asked
        with connected(server):
            comparison = asyncio.run(
                _run(str(options.queries.absolute()), options.k, options.answers, options.allowed_drop)
            )
    if options.json:
        print_json(comparison.to_json())
    else:
        sys.stdout.write(f"{_sentence(comparison)}\n")
    return 1 if comparison.falls else 0


async def _run(queries: str, k: int, answers: bool, allowed_drop: float) -> Comparison:
    ended = evaluate(queries, k, answers, allowed_drop, return_state=True)
    return await returned_as(Comparison, ended, otherwise="The evaluation broke off")


if __name__ == "__main__":
    raise SystemExit(main())
