"""The report of insights as Markdown: for a file, for Prefect's artifact, and for a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from rag.desk.report import Asked, Gap, Report
from rag.text.lines import one_line

__all__ = ["bars", "insights_markdown"]

# The heights of a bar in a line of text.
_BARS = "▁▂▃▄▅▆▇█"
# What Markdown may read as a mark; underscores inside a word mark nothing, and in a link Prefect shows the backslash.
_MARKS = re.compile(r"(?P<inside>(?<=[^\W_])_+(?=[^\W_]))|[\\`*_\[\]<>#|~!]")
_MOST_ROWS = 20
_MOST_WEEKS = 26


def insights_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    lines = [f"# What was asked in the last {report.days} days", ""]
    for heading, asked in (("People", report.people), ("Agents", report.agents)):
        if asked.questions or heading == "People":
            lines += _section(heading, asked)
    lines += _pages(report)
    lines += _stale(report)
    return "\n".join(lines).rstrip() + "\n"


def bars(counts: Sequence[int]) -> str:
    """Return the counts of the last half year as a bar chart of one line, scaled to the largest."""
    drawn = counts[-_MOST_WEEKS:]
    most = max(drawn, default=0)
    return "".join(_BARS[round(count / most * (len(_BARS) - 1)) if most else 0] for count in drawn)


def _section(heading: str, asked: Asked) -> Iterator[str]:
    yield f"## {heading}"
    yield ""
    yield (
        f"{asked.questions:,} questions: {asked.answered:,} answered, {asked.abstained:,} not; "
        f"{asked.low_score:,} answers with a low score, {asked.up:,} thumbs up, {asked.down:,} down."
    )
    yield ""
    if not asked.questions:
        return
    yield f"### What the docs lack for {heading.lower()}"
    yield ""
    if not asked.gaps:
        yield "Nothing: every question was answered, with no low score and no thumb down."
        yield ""
    else:
        yield "The most frequent and most recent questions come first. Each has a draft."
        yield ""
    for number, gap in enumerate(asked.gaps, 1):
        yield from _gap(number, gap)
    yield from _further(asked.all_gaps - len(asked.gaps), "gap")
    yield f"### Most asked by {heading.lower()}"
    yield ""
    yield "| topic | asked | not answered | down | by week | example |"
    yield "|---|---|---|---|---|---|"
    for topic in asked.topics:
        yield (
            f"| {_text(topic.label)} | {topic.times:,} | {topic.abstained:,} | {topic.down:,} | {bars(topic.weeks)} "
            f"| {_text(topic.example)} |"
        )
    yield from _further(asked.all_topics - len(asked.topics), "topic")
    yield f"### Weeks of {heading.lower()}"
    yield ""
    yield "| week of | questions | not answered | low score | up | down |"
    yield "|---|---|---|---|---|---|"
    for week in asked.weeks[-_MOST_WEEKS:]:
        yield (
            f"| {week.begins} | {week.questions:,} | {week.abstained:,} | {week.low_score:,} | {week.up:,} "
            f"| {week.down:,} |"
        )
    yield ""


def _gap(number: int, gap: Gap) -> Iterator[str]:
    last = f"{gap.last_asked:%Y-%m-%d}"
    yield f"{number}. **{_text(gap.label)}**: {_reasons(gap)}, last on {last}. “{_text(gap.example)}”"
    yield ""
    if gap.nearest:
        yield f"   Nearest page: [{_text(gap.nearest.title)}](<{gap.nearest.url}>)"
        yield ""
    if gap.better_page:
        yield f"   Readers say that this page answers: <{_text(gap.better_page)}>"
        yield ""
    fence = "````"
    yield f"   {fence}markdown"
    for line in gap.draft.split("\n"):
        yield f"   {line.replace(fence, '')}".rstrip()
    yield f"   {fence}"
    yield ""
    yield f"   {fence}json"
    yield f"   {json.dumps(gap.row, ensure_ascii=False).replace(fence, '')}"
    yield f"   {fence}"
    yield ""


def _reasons(gap: Gap) -> str:
    """Return how often the questions of a gap were asked, and why they are of one."""
    reasons = [
        f"{count:,} {said}"
        for count, said in (
            (gap.abstained, "not answered"),
            (gap.low_score, "with a low score"),
            (gap.down, "with a thumb down"),
        )
        if count
    ]
    return f"asked {'once' if gap.times == 1 else f'{gap.times:,} times'}, {', '.join(reasons)}"


def _pages(report: Report) -> Iterator[str]:
    if report.cited:
        yield "## Pages cited most"
        yield ""
        yield "| page | source | answers | down |"
        yield "|---|---|---|---|"
        for page in report.cited[:_MOST_ROWS]:
            yield f"| [{_text(page.title)}](<{page.url}>) | {_text(page.source)} | {page.answers:,} | {page.down:,} |"
        yield ""
    if report.citation_counts:
        yield "## Pages never cited"
        yield ""
        yield "| source | kind | documents | never cited |"
        yield "|---|---|---|---|"
        for count in report.citation_counts:
            yield f"| {_text(count.source)} | {count.kind} | {count.documents:,} | {count.never_cited:,} |"
        yield ""
        if report.never_cited:
            yield "The longest of them:"
            yield ""
            for uncited in report.never_cited[:_MOST_ROWS]:
                yield f"- [{_text(uncited.title)}](<{uncited.url}>)"
            yield ""


def _stale(report: Report) -> Iterator[str]:
    if not report.stale:
        return
    yield "## Stale answers"
    yield ""
    yield "The sources of these answers have changed since. Ask again, and tell those who asked."
    yield ""
    for answer in report.stale[:_MOST_ROWS]:
        where = f" [Thread](<{answer.link}>)" if answer.link else ""
        yield f"- {answer.stale_at:%Y-%m-%d}: {_text(answer.question)} (answer {answer.id}){where}"
    yield from _further(len(report.stale) - _MOST_ROWS, "answer")


def _further(count: int, noun: str) -> Iterator[str]:
    yield ""
    if count > 0:
        yield f"And {count:,} more {noun}{'' if count == 1 else 's'}."
        yield ""


def _text(text: str) -> str:
    """Return a text of a stranger as one line in which Markdown marks nothing."""
    return _MARKS.sub(lambda match: match[0] if match["inside"] else f"\\{match[0]}", one_line(text))
