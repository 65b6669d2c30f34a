"""Evaluate search, and answers, as a flow run that fails when a metric fell: `python -m flows.evaluate`."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from html import escape
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, runtime, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.tasks import exponential_backoff
from pydantic import Field
from rich.console import Console

from flows.engine import in_thread, shared_engine
from flows.prefect.retries import may_help_to_retry
from flows.prefect.run_records import artifact_key
from flows.prefect.server import connected, log_to, wanted_server
from rag.command import CommandParser, run
from rag.errors import ConfigurationError, RagError
from rag.evaluate.history import METRICS, Comparison, evaluate_and_keep, metrics
from rag.evaluate.queries import read_queries
from rag.models import PastEvaluation
from rag.settings import load_settings

__all__ = ["evaluate", "main", "measure", "trend"]

ALLOWED_DROP = 0.02

# Eight heights of a bar in a line of text.
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _MARGIN = 640, 200, 28
_COLOURS = ("#1f5f8b", "#b4541f", "#3c7a3c", "#7a3c7a", "#8b7a1f", "#1f8b83", "#8b1f3f")


def _run_name() -> str:
    return f"evaluate {Path(str(runtime.flow_run.parameters['queries'])).stem}"


@task(
    task_run_name="measure {queries}",
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
    persist_result=False,
)
async def measure(queries: str, k: int, answers: bool, allowed_drop: float) -> Comparison:
    """Measure, compare with the last good evaluation, and keep it."""

    def work() -> Comparison:
        with shared_engine() as engine:
            return evaluate_and_keep(engine, Path(queries), k=k, answers=answers, allowed_drop=allowed_drop)

    return await in_thread(work)


@flow(name="evaluate", flow_run_name=_run_name, persist_result=False)
async def evaluate(
    queries: str,
    k: Annotated[int, Field(ge=1)] = 10,
    answers: bool = False,
    allowed_drop: Annotated[float, Field(ge=0, le=1)] = ALLOWED_DROP,
) -> Comparison | State[Any]:
    """Evaluate a file of queries and compare with the last good run over the same rows.

    The markdown artifact of the run shows the metrics and how they went. The run is Failed if one of them fell by more
    than is allowed; the next run is compared with the last good one again.

    Args:
        queries: The path of a file of queries, as rag.evaluate reads it.
        k: How many results count.
        answers: Ask the questions as well, and judge the answers.
        allowed_drop: How much lower than in the last good run a metric may be.

    """
    comparison = await measure(queries, k, answers, allowed_drop)
    await acreate_markdown_artifact(
        trend(comparison), key=artifact_key("evaluation", comparison.name), description=_sentence(comparison)
    )
    if comparison.falls:
        return Failed(message=_sentence(comparison), data=comparison)
    return comparison


def _sentence(comparison: Comparison) -> str:
    if not comparison.falls:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics(comparison.report).items())
        return f"{comparison.name}: {shown}"
    falls = ", ".join(f"{fall.metric} from {fall.before:.3f} to {fall.now:.3f}" for fall in comparison.falls)
    return f"{comparison.name} fell: {falls}."


def trend(comparison: Comparison) -> str:
    """Return the metrics of an evaluation and of those before it: a table with a line of bars each, and a plot."""
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
    plot = base64.b64encode(_plot(history).encode()).decode()
    lines += ["", f"![the metrics over the last {len(history)} runs](data:image/svg+xml;base64,{plot})", ""]
    lines += ["| run | model | " + " | ".join(now) + " | |", "|---|---|" + "---|" * (len(now) + 1)]
    for one in reversed(history):
        found = metrics(one.report)
        cells = " | ".join(f"{found[name]:.3f}" if name in found else "–" for name in now)
        model = f"{one.embedding_model}, {one.llm}"
        lines.append(f"| {one.at:%Y-%m-%d %H:%M} | {model} | {cells} | {'' if one.good else 'fell'} |")
    return "\n".join(lines)


def _bars(values: Sequence[float]) -> str:
    """Draw values as bars; the lowest and the highest are told apart however near they are."""
    low, high = min(values), max(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * steps) if high > low else steps] for value in values)


def _plot(history: Sequence[PastEvaluation]) -> str:
    """Draw the metrics of runs as lines, as an SVG."""
    runs = [metrics(one.report) for one in history]
    names = [name for name in METRICS if any(name in found for found in runs)]
    values = [value for found in runs for value in found.values()]
    low, high = min(values), max(values)
    low, high = max(0.0, low - 0.02), min(1.0, high + 0.02)
    right = _WIDTH - 150

    def place(position: int, value: float) -> str:
        across = _MARGIN + (right - _MARGIN) * (position / max(len(runs) - 1, 1))
        down = _MARGIN + (_HEIGHT - 2 * _MARGIN) * (1 - (value - low) / ((high - low) or 1))
        return f"{across:.1f},{down:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for value in (low, high):
        level = place(0, value).split(",")[1]
        parts.append(f'<line x1="{_MARGIN}" x2="{right}" y1="{level}" y2="{level}" stroke="#dfe2e6"/>')
        parts.append(f'<text x="2" y="{level}" fill="#59636e">{value:.2f}</text>')
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [place(position, found[name]) for position, found in enumerate(runs) if name in found]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        across, down = points[-1].split(",")
        parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
        label = f"{name} {next(found[name] for found in reversed(runs) if name in found):.3f}"
        parts.append(f'<text x="{right + 10}" y="{_MARGIN + 18 * number}" fill="{colour}">{escape(label)}</text>')
    return "".join([*parts, "</svg>"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate the file on the command line."""
    parser = CommandParser(
        prog="python -m flows.evaluate",
        description="Evaluate a file of queries as a Prefect flow run, keep the outcome, and fail if a metric fell by "
        "more than is allowed since the last good run over the same rows.",
        examples=[
            "python -m flows.evaluate queries.jsonl",
            "python -m flows.evaluate queries.jsonl --allowed-drop 0.01 --json",
            "python -m flows.evaluate questions.jsonl --answers",
        ],
    )
    parser.add_argument("queries", type=Path, metavar="QUERIES.jsonl", help="a file as rag.evaluate reads it")
    parser.add_argument("--k", type=int, default=10, metavar="K", help="results that count (default 10)")
    parser.add_argument("--answers", action="store_true", help="ask the questions as well, and judge the answers")
    parser.add_argument(
        "--allowed-drop",
        type=float,
        default=ALLOWED_DROP,
        metavar="SHARE",
        help=f"how much lower than in the last good run a metric may be (default {ALLOWED_DROP})",
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
        engine.active_index  # noqa: B018 - says what to do if the index is empty, before Prefect is asked
        with connected(server):
            comparison = asyncio.run(
                _run(str(options.queries.absolute()), options.k, options.answers, options.allowed_drop)
            )
    if options.json:
        json.dump(comparison.to_json(), sys.stdout)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{_sentence(comparison)}\n")
    return 1 if comparison.falls else 0


async def _run(queries: str, k: int, answers: bool, allowed_drop: float) -> Comparison:
    state = await evaluate(queries, k, answers, allowed_drop, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, RagError):
        raise result
    if not isinstance(result, Comparison):
        raise RagError(f"The evaluation broke off: {result}")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
