"""`python -m rag.insights`: report what people ask, what the docs lack, and which pages answer."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.command import CommandParser, number_argument, print_json, run
from rag.engine import Engine
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    from rag.desk.report import Asked, Report

__all__ = ["main"]

_WIDTH = 100
# The pages and stale answers in the text output.
_MOST = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report."""
    parser = CommandParser(
        prog="python -m rag.insights",
        description="Report from the answer log what people and agents ask, what the docs lack, which pages are cited, "
        "and which answers are stale.",
        examples=[
            "python -m rag.insights",
            "python -m rag.insights --days 90 --markdown > insights.md",
            "python -m rag.insights --rows gaps.jsonl",
        ],
    )
    parser.add_argument(
        "--days", type=number_argument, default=30, metavar="N", help="questions of the last N days (default 30)"
    )
    parser.add_argument(
        "--most", type=number_argument, default=20, metavar="N", help="topics and gaps to list (default 20)"
    )
    parser.add_argument(
        "--rows", type=Path, metavar="OUT.jsonl", help="also write a row for rag.evaluate for each gap to this file"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print one JSON object")
    shape.add_argument("--markdown", action="store_true", help="print Markdown, with a draft for each gap")
    return run(parser, _insights, arguments)


def _insights(options: argparse.Namespace) -> int:
    with Engine.open() as engine:
        report = engine.insights.report(days=options.days, most=options.most)
    if options.rows:
        _write_rows(options.rows, report)
    if options.json:
        print_json(report.to_json())
    elif options.markdown:
        from rag.desk.markdown import insights_markdown

        sys.stdout.write(insights_markdown(report))
    else:
        sys.stdout.write("\n".join(_lines(report)) + "\n")
    return 0


def _write_rows(path: Path, report: Report) -> None:
    rows = report.rows()
    try:
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
    sys.stderr.write(f"wrote {len(rows)} rows to {path}; fill in the pages that answer them as gold\n")


def _lines(report: Report) -> Iterator[str]:
    if not report.people.questions and not report.agents.questions:
        yield f"No question was logged in the last {report.days} days (RAG_LOG_ANSWERS turns the log on)."
    for name, asked in (("People", report.people), ("Agents", report.agents)):
        if asked.questions:
            yield from _asked_lines(name, asked)
    if report.cited:
        yield "Pages cited most"
        yield from (f"  {page.answers:>5,}  {_short(page.title, 40)}  {page.url}" for page in report.cited[:_MOST])
        yield ""
    counts = report.citation_counts
    if counts:
        said = ", ".join(f"{one.never_cited:,} of {one.documents:,} {one.kind}s of {one.source}" for one in counts)
        yield from textwrap.wrap(f"Never cited: {said}", _WIDTH)
        yield ""
    if report.stale:
        yield "Stale answers: their sources have changed since"
        yield from (
            f"  {one.stale_at:%Y-%m-%d}  {_short(one.question, 80)}{f'  {one.link}' if one.link else ''}"
            for one in report.stale[:_MOST]
        )
        yield ""
    yield "--markdown prints a draft for each gap; --json prints everything."


def _asked_lines(name: str, asked: Asked) -> Iterator[str]:
    from rag.desk.markdown import bars

    yield (
        f"{name}: {asked.questions:,} questions, {asked.abstained:,} not answered, "
        f"{asked.low_score:,} with a low score, {asked.up:,} up, {asked.down:,} down"
    )
    yield ""
    yield (
        "  What the docs lack, the most frequent and most recent gaps first"
        if asked.gaps
        else "  The docs lack nothing."
    )
    for gap in asked.gaps:
        why = f"{gap.abstained:,} not answered, {gap.low_score:,} low, {gap.down:,} down"
        yield f"  {gap.times:>5,}  {gap.label} ({why}; last {gap.last_asked:%Y-%m-%d})"
        yield f"         {_short(gap.example, 80)}"
        if gap.nearest:
            yield f"         nearest: {gap.nearest.url}"
    if asked.all_gaps > len(asked.gaps):
        yield f"  and {asked.all_gaps - len(asked.gaps):,} more"
    yield ""
    width = max([len("by week"), *(len(bars(topic.weeks)) for topic in asked.topics)])
    yield f"  asked  {'by week':<{width}}  topic and example"
    for topic in asked.topics:
        yield f"  {topic.times:>5,}  {bars(topic.weeks):<{width}}  {topic.label}"
        yield f"  {'':>5}  {'':<{width}}  {_short(topic.example, 80)}"
    if asked.all_topics > len(asked.topics):
        yield f"  and {asked.all_topics - len(asked.topics):,} more"
    yield ""


def _short(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" …")


if __name__ == "__main__":
    raise SystemExit(main())
