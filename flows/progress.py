"""Show the progress of syncs on the console: one moving line a source on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from flows.engine import ProgressListener
from rag.ingest.report import SyncReport

__all__ = ["counts", "show_progress", "so_far", "summary"]

# The shortest pause between two plain lines of a source.
_SECONDS_A_LINE = 2.0


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


@contextmanager
def show_progress(console: Console, names: Sequence[str]) -> Iterator[ProgressListener]:
    """Show the progress of the named sources until the block ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    width = max(map(len, names), default=0)
    columns = (
        TextColumn("{task.description:<" + str(width) + "}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[so_far]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {name: progress.add_task(name, total=None, so_far="starting") for name in names}
        yield _Bars(progress, tasks)


class _Bars:
    """One bar for each source. The number of documents is not known beforehand, so the bar pulses."""

    def __init__(self, progress: Progress, tasks: dict[str, TaskID]) -> None:
        self._progress = progress
        self._tasks = tasks

    def __call__(self, name: str, news: SyncReport | str) -> None:
        if isinstance(news, str):
            self._progress.console.print(f"{name}: {news}", markup=False, highlight=False, soft_wrap=True)
        else:
            self._progress.update(self._tasks[name], so_far=so_far(news))


class _Lines:
    """A line for each report or message, at most one report every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, float] = {}

    def __call__(self, name: str, news: SyncReport | str) -> None:
        now = time.monotonic()
        if isinstance(news, SyncReport):
            if not news.seen or now - self._last.get(name, -_SECONDS_A_LINE) < _SECONDS_A_LINE:
                return
            self._last[name] = now
            news = f"{so_far(news)}, {news.seconds:.0f} s"
        self._console.print(f"{name}: {news}", markup=False, highlight=False, soft_wrap=True)


def so_far(report: SyncReport) -> str:
    """Return the progress of a sync in one line."""
    written = report.added + report.updated
    return f"{report.seen:,} seen, {written:,} written, {report.embedded:,} chunks embedded, {_requests(report)}"


def _documents(report: SyncReport) -> str:
    return f"{report.seen:,} document{'' if report.seen == 1 else 's'} seen"


def _requests(report: SyncReport) -> str:
    return f"{report.requests:,} request{'' if report.requests == 1 else 's'}"
