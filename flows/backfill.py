"""Read a repository's past in windows, side by side: the flow, and `python -m flows.backfill` that runs it.

A window that is done stays done: the flow, interrupted and run again, goes on with those that are not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff
from pydantic import Field
from rich.console import Console

from flows.engine import in_thread, shared_engine, watched_by, watcher
from flows.ingest import when_free
from flows.prefect.retries import may_help_to_retry
from flows.prefect.run_records import artifact_key, name_run, put_table
from flows.prefect.server import connected, log_to, wanted_server
from flows.progress import counts, show_progress, summary
from flows.windows import WindowRead, read_windows, span, window_row
from rag.command import CommandParser, run
from rag.errors import ConfigurationError
from rag.models import Backfill, Failure, SyncReport, Window
from rag.settings import load_settings

__all__ = ["backfill", "finish", "main"]

_SECONDS_BETWEEN_TABLES = 5.0


@task(
    task_run_name="finish {planned.source}",
    persist_result=False,
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
)
def finish(planned: Backfill) -> SyncReport:
    """Write what no window could write alone, and bring what came meanwhile."""
    watch = watcher()
    with shared_engine() as engine:
        return engine.finish_backfill(planned, progress=lambda report: watch(planned.source, report))


@flow(
    name="backfill",
    flow_run_name="backfill {name}",
    persist_result=False,
)
async def backfill(
    name: str,
    start: date | None = None,
    end: date | None = None,
    window: Annotated[int, Field(ge=1, le=3660)] = 7,
) -> SyncReport | State[Any]:
    """Read the past of a GitHub source in windows, some at a time, and bring the index in line with it.

    Each window is a task with its own retries. One that is done is not read again when an interrupted backfill is run
    once more. The table artifact of the run shows every window and its state, the progress artifact how far it is.
    Discussions, which GitHub does not list by time, come at the end. RAG_BACKFILL_ON says who reads the windows:
    threads of this process, workers of Prefect's, or a Dask cluster. Syncs of the source wait meanwhile.

    Args:
        name: The source's name in sources.toml.
        start: The first day, UTC; the repository's first one, or the source's `since`, if none.
        end: The day before which it ends, UTC; up to now, if none.
        window: The length of a window in days. Windows of 7 days begin on Mondays.

    """
    began = time.monotonic()
    with ExitStack() as stack:
        engine = stack.enter_context(shared_engine())
        hold = ExitStack()
        stack.push(hold)
        await when_free(lambda: hold.enter_context(engine.holding(name)), name)
        planned = await in_thread(
            lambda: engine.plan_backfill(name, start=_midnight(start), end=_midnight(end), days=window)
        )
        progress = _Progress(planned)
        await progress.show()
        await read_windows(name, planned.windows, planned.id, progress.add, on=engine.settings.backfill_on)
        if progress.failed:
            report = progress.report()
            await progress.show(report)
            await name_run(f"backfill {name} · {progress.summary().partition(';')[0]}")
            return Failed(message=f"{progress.summary().rstrip('.')}. Run it again to go on.", data=report)
        # What comes now is a sync, which keeps others out by itself.
        await in_thread(hold.close)
        report = progress.report(await when_free(lambda: finish(planned), name))
    report = replace(report, seconds=time.monotonic() - began)
    await progress.show(report)
    await name_run(f"backfill {name} · {counts(report) or 'nothing changed'}")
    if report.state == "failed":
        return Failed(message=f"{report.errors[0].url}: {report.errors[0].error}", data=report)
    return Completed(message=f"{progress.summary()}: {summary(report)}.", data=report)


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


@dataclass(slots=True)
class _Progress:
    """The windows of a backfill with their states, as a table artifact that follows them."""

    planned: Backfill
    reads: dict[Window, WindowRead] = field(default_factory=dict)
    failed: str | None = None
    _table: UUID | None = None
    _bar: UUID | None = None
    _shown: float = 0.0

    async def add(self, read: WindowRead) -> None:
        """Note how a window ended."""
        self.reads[read.window] = read
        if read.state == "failed":
            self.failed = self.failed or f"{span(read.window)}: {read.problem}"
        if time.monotonic() - self._shown > _SECONDS_BETWEEN_TABLES or read.state == "failed":
            watcher()(self.planned.source, self.summary())
            await self.show()

    def summary(self) -> str:
        """Say how far it is, in one line."""
        states = [read.state for read in self.reads.values()]
        done, before = len(states) - states.count("failed"), states.count("read before")
        said = f"{done:,} of {len(self.planned.windows):,} windows" + (f" ({before:,} read before)" if before else "")
        return f"{said}; failed: {self.failed}" if self.failed else said

    def report(self, last: SyncReport | None = None) -> SyncReport:
        """Return the sum of the windows' reports, and of that of the sync at the end."""
        reports = [*(read.report for read in self.reads.values()), *([last] if last else [])]
        errors = tuple(failure for report in reports for failure in report.errors)
        if self.failed and not errors:
            errors = (Failure(self.planned.source, self.failed),)
        return SyncReport(
            name=self.planned.source,
            kind="github",
            state="failed" if errors or self.failed else "completed",
            seen=max((last.seen if last else 0), sum(report.added + report.updated for report in reports)),
            added=sum(report.added for report in reports),
            updated=sum(report.updated for report in reports),
            unchanged=last.unchanged if last else 0,
            deleted=sum(report.deleted for report in reports),
            failed=sum(report.failed for report in reports),
            chunks_added=sum(report.chunks_added for report in reports),
            chunks_deleted=sum(report.chunks_deleted for report in reports),
            embedded=sum(report.embedded for report in reports),
            tokens=sum(report.tokens for report in reports),
            requests=sum(report.requests for report in reports),
            seconds=sum(report.seconds for report in reports),
            errors=errors,
        )

    async def show(self, report: SyncReport | None = None) -> None:
        """Write the table and how far it is, or write them anew."""
        name = self.planned.source
        description = f"**{name}**: {self.summary()}" + (f"\n\n{summary(report)}" if report else "")
        rows = [
            window_row(self.reads[window]) if window in self.reads else {"window": span(window), "state": "waiting"}
            for window in self.planned.windows
        ]
        self._shown = time.monotonic()
        key = artifact_key("backfill", name)
        self._table = await put_table(rows, key=key, description=description, artifact=self._table)
        share = 100.0 * len(self.reads) / len(self.planned.windows)
        if self._bar is None:
            self._bar = await acreate_progress_artifact(share, key=f"{key}-progress", description=description)
        else:
            await aupdate_progress_artifact(self._bar, share, description=description)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a backfill."""
    parser = CommandParser(
        prog="python -m flows.backfill",
        description="Read the past of a GitHub source in windows, side by side, each tried again on its own. One that "
        "was interrupted goes on with the windows that are not done. For a small repository python -m flows.ingest "
        "needs fewer requests.",
        examples=[
            "python -m flows.backfill tls13-spec",
            "python -m flows.backfill tls13-spec --start 2023-01-01 --end 2024-01-01 --window 30",
        ],
    )
    parser.add_argument("name", metavar="NAME", help="a source in sources.toml, of GitHub's")
    parser.add_argument("--start", type=date.fromisoformat, metavar="DAY", help="the first day (YYYY-MM-DD, UTC)")
    parser.add_argument("--end", type=date.fromisoformat, metavar="DAY", help="the day before which it ends")
    parser.add_argument("--window", type=int, default=7, metavar="DAYS", help="the length of a window (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _backfill, arguments)


def _backfill(options: argparse.Namespace) -> int:
    settings = load_settings()
    console = Console(stderr=True)
    log_to(console, debug=options.debug)
    if not 1 <= options.window <= 3660:
        raise ConfigurationError("--window is a number of days, from 1 to 3660.")
    with shared_engine(settings) as engine:
        engine.source_config(options.name)
        server = wanted_server(workers_of="RAG_BACKFILL_ON" if settings.backfill_on == "workers" else None)
        with server or nullcontext():
            import_module("rag.ingest.pipeline")  # takes a second, in which the server boots
            with connected(server), show_progress(console, [options.name]) as watch, watched_by(watch):
                report = asyncio.run(_run(options))
    if options.json:
        json.dump(report.to_json(), sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{report.name}: {summary(report)}\n")
    return 1 if report.state == "failed" else 0


async def _run(options: argparse.Namespace) -> SyncReport:
    state = await backfill(options.name, options.start, options.end, options.window, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    assert isinstance(result, SyncReport)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
