"""Show the progress of syncs on the console: one moving line a source on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from flows.engine import Ended
from rag.ingest.report import SyncReport

__all__ = ["counts", "show_progress", "so_far", "summary"]

# The shortest pause between two plain lines of a source.
_SECONDS_A_LINE = 2.0
# Narrower terminals have room for the names and the counts only.
_WIDTH_WITH_BAR = 90


def counts(report: SyncReport) -> str:
    """Return the numbers of changed documents, as "12 new, 3 changed"; empty if nothing changed."""
    changed = [
        (report.added, "new"),
        (report.updated, "changed"),
        (report.deleted, "removed"),
        (report.failed, "failed"),
    ]
    return ", ".join(f"{count:,} {word}" for count, word in changed if count)


def summary(report: SyncReport) -> str:
    """Return the outcome of a sync in one line."""
    said = counts(report)
    end = f"in {report.seconds:.1f} s"
    if report.state == "failed":
        first = report.errors[0]
        also = f"{said}; " if said else ""
        return f"failed: {also}{first.url}: {first.error}"
    if not said:
        return f"nothing changed ({_documents(report)}, {_requests(report)}) {end}"
    return f"{said} ({_documents(report)}, {report.embedded:,} chunks embedded, {_requests(report)}) {end}"


class Shown(Protocol):
    """Progress on the console, a `ProgressListener`."""

    def __call__(self, name: str, news: SyncReport | Ended | str) -> None:
        """Show news of a source."""

    def doing(self, what: str) -> None:
        """Say what is done for all sources before they report."""


@contextmanager
def show_progress(console: Console, names: Sequence[str], *, doing: str = "starting") -> Iterator[Shown]:
    """Show the progress of the named sources until the block ends.

    :param doing: what is done before the first of them reports
    """
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Progress(*_columns(console, names), console=console, transient=True, expand=True) as progress:
        tasks = {name: progress.add_task(name, total=None, so_far=doing) for name in names}
        yield _Bars(progress, tasks)


def _columns(console: Console, names: Sequence[str]) -> list[ProgressColumn]:
    """Return what a source's line shows. On a narrow terminal the counts are cut off, never the name."""
    name = Column(no_wrap=True, min_width=max(map(len, names), default=0))
    columns: list[ProgressColumn] = [
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", table_column=name, markup=False),
    ]
    if console.width >= _WIDTH_WITH_BAR:
        columns.append(BarColumn(bar_width=16))
    counted = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns.append(TextColumn("{task.fields[so_far]}", table_column=counted, markup=False))
    return [*columns, TimeElapsedColumn()] if console.width >= _WIDTH_WITH_BAR else columns


class _Bars:
    """One line for each source. The number of documents is not known beforehand, so its bar pulses."""

    def __init__(self, progress: Progress, tasks: dict[str, TaskID]) -> None:
        self._progress = progress
        self._tasks = tasks

    def __call__(self, name: str, news: SyncReport | Ended | str) -> None:
        match news:
            case str():
                self._progress.console.print(f"{name}: {news}", markup=False, highlight=False, soft_wrap=True)
            case Ended(report) if report.state == "completed":
                self._progress.update(self._tasks[name], so_far=so_far(report), total=1, completed=1)
            case Ended(report):
                self._progress.update(self._tasks[name], so_far=summary(report))
                self._progress.stop_task(self._tasks[name])
            case report:
                self._progress.update(self._tasks[name], so_far=so_far(report))

    def doing(self, what: str) -> None:
        for task in self._tasks.values():
            self._progress.update(task, so_far=what)


class _Lines:
    """A line for each report or message, at most one report every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, float] = {}

    def __call__(self, name: str, news: SyncReport | Ended | str) -> None:
        if isinstance(news, Ended):
            return  # the command prints its outcome
        now = time.monotonic()
        if isinstance(news, SyncReport):
            if (
                not (news.seen or news.fetched or news.requests)
                or now - self._last.get(name, -_SECONDS_A_LINE) < _SECONDS_A_LINE
            ):
                return
            self._last[name] = now
            news = f"{so_far(news)}, {news.seconds:.0f} s"
        self._console.print(f"{name}: {news}", markup=False, highlight=False, soft_wrap=True)

    def doing(self, what: str) -> None:
        self._console.print(what, markup=False, highlight=False)


def so_far(report: SyncReport) -> str:
    """Return the progress of a sync in one line."""
    fetched = max(report.fetched, report.seen)
    if not fetched and report.requests:  # a crawl holds its first pages until it knows what they have in common
        return f"{_requests(report)}, 0 indexed"
    return f"{fetched:,} fetched, {report.seen:,} indexed, {report.embedded:,} chunks embedded, {_requests(report)}"


def _documents(report: SyncReport) -> str:
    return f"{report.seen:,} document{'' if report.seen == 1 else 's'} seen"


def _requests(report: SyncReport) -> str:
    return f"{report.requests:,} request{'' if report.requests == 1 else 's'}"
