"""Read a repository's past in windows, several at a time: the flow, and `python -m flows.backfill` that runs it.

An interrupted backfill that is run again continues with the windows that were not read.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Annotated, Any
from uuid import UUID

from flows.announce import announce

announce("backfill")

from prefect import flow
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field
from rich.console import Console

from flows.engine import in_thread, progress_listener, reporting_to, shared_engine
from flows.prefect.endings import told
from flows.prefect.retries import retrying_task
from flows.prefect.returned import keep, returned_as
from flows.prefect.run_records import artifact_key, put_table, rename_run
from flows.prefect.server import connected, log_to, wanted_server
from flows.progress import counts, show_progress, summary
from flows.turns import when_free
from flows.windows import WindowRead, read_windows, span, window_row
from rag.command import CommandParser, date_argument, number_argument, print_json, run
from rag.errors import ConfigurationError
from rag.ingest.report import Failure, SyncReport
from rag.settings import load_settings
from rag.sources.windows import Backfill, Window

__all__ = ["backfill", "finish", "main"]

_SECONDS_BETWEEN_TABLES = 5.0


@retrying_task("finish {planned.source}")
def finish(planned: Backfill) -> SyncReport:
    """Write the documents that span several windows, then sync what has changed during the backfill."""
    listener = progress_listener()
    with shared_engine() as engine:
        return engine.backfills.finish(planned, progress=lambda report: listener(planned.source, report))


@flow(
    name="backfill",
    flow_run_name="backfill {name}",
    persist_result=False,
)
@told
async def backfill(
    name: str,
    start: date | None = None,
    end: date | None = None,
    window: Annotated[int, Field(ge=1, le=3660)] = 7,
) -> SyncReport | State[Any]:
    """Read the past of a GitHub source in windows, several at a time, into the index.

    Each window is a task with its own retries. If an interrupted backfill is run again, it skips the windows that were
    read. The table artifact of the run shows the state of every window, the progress artifact the share that is done.
    Discussions are read at the end, because GitHub does not list them by time. RAG_RUN_ON says where windows are read:
    in threads of this process, on Prefect workers, or on a Dask cluster. Syncs of the source wait meanwhile.

    Args:
        name: The source's name in sources.toml.
        start: The first day, UTC. By default the source's `since`, or the repository's first day.
        end: The day after the last one, UTC. By default the backfill ends now.
        window: The length of a window in days. Windows of 7 days begin on Mondays.

    """
    began = time.monotonic()
    with ExitStack() as stack:
        engine = stack.enter_context(shared_engine())
        hold = ExitStack()
        stack.push(hold)
        await when_free(lambda: hold.enter_context(engine.syncs.holding(name)), name)
        planned = await in_thread(
            lambda: engine.backfills.plan(name, start=_midnight(start), end=_midnight(end), days=window)
        )
        progress = _Progress(planned)
        await progress.show()
        await read_windows(name, planned.windows, planned.id, progress.add, run_on=engine.settings.run_on)
        if progress.failed:
            report = progress.report()
            await progress.show(report)
            await rename_run(f"backfill {name} · {progress.summary().partition(';')[0]}")
            return keep(Failed(message=f"{progress.summary().rstrip('.')}. Run it again to go on.", data=report))
        # `finish` is a sync, which locks the source itself.
        await in_thread(hold.close)
        report = progress.report(await when_free(lambda: finish(planned), name))
    report = replace(report, seconds=time.monotonic() - began)
    await progress.show(report)
    await rename_run(f"backfill {name} · {counts(report) or 'nothing changed'}")
    if report.state == "failed":
        return keep(Failed(message=f"{report.errors[0].url}: {report.errors[0].error}", data=report))
    return keep(Completed(message=f"{progress.summary()}: {summary(report)}.", data=report))


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


@dataclass(slots=True)
class _Progress:
    """The outcomes of a backfill's windows, shown as a table and a progress artifact."""

    planned: Backfill
    reads: dict[Window, WindowRead] = field(default_factory=dict)
    failed: str | None = None
    _table: UUID | None = None
    _bar: UUID | None = None
    _shown: float = 0.0

    async def add(self, read: WindowRead) -> None:
        """Add the outcome of a window."""
        self.reads[read.window] = read
        if read.state == "failed":
            self.failed = self.failed or f"{span(read.window)}: {read.problem}"
        if time.monotonic() - self._shown > _SECONDS_BETWEEN_TABLES or read.state == "failed":
            progress_listener()(self.planned.source, self.summary())
            await self.show()

    def summary(self) -> str:
        """Return the progress in one line."""
        states = [read.state for read in self.reads.values()]
        done, before = len(states) - states.count("failed"), states.count("read before")
        line = f"{done:,} of {len(self.planned.windows):,} windows" + (f" ({before:,} read before)" if before else "")
        return f"{line}; failed: {self.failed}" if self.failed else line

    def report(self, last: SyncReport | None = None) -> SyncReport:
        """Return the sum of the windows' reports.

        :param last: the report of the sync at the end, which is added
        """
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
        """Create or update the table and the progress artifact."""
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
        description="Read the past of a GitHub source in windows, several at a time, each with its own retries. An "
        "interrupted backfill that is run again skips the windows that were read. For a small repository "
        "python -m flows.ingest needs fewer requests.",
        examples=[
            "python -m flows.backfill tls13-spec",
            "python -m flows.backfill tls13-spec --start 2023-01-01 --end 2024-01-01 --window 30",
        ],
        interrupted="interrupted: the windows that were read are kept; run the command again to continue",
    )
    parser.add_argument("name", metavar="NAME", help="a [[github]] source in sources.toml")
    parser.add_argument("--start", type=date_argument, metavar="DAY", help="the first day (YYYY-MM-DD, UTC)")
    parser.add_argument("--end", type=date_argument, metavar="DAY", help="the day after the last one (default: now)")
    parser.add_argument(
        "--window", type=number_argument, default=7, metavar="DAYS", help="the length of a window (default: 7)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _backfill, arguments)


def _backfill(options: argparse.Namespace) -> int:
    settings = load_settings()
    console = Console(stderr=True)
    log_to(console, debug=options.debug)
    if not 1 <= options.window <= 3660:
        raise ConfigurationError("--window must be a number of days from 1 to 3660.")
    with (
        show_progress(console, [options.name], doing="starting Prefect") as listener,
        shared_engine(settings) as engine,
    ):
        engine.syncs.config(options.name)
        server = wanted_server(run_on=settings.run_on)
        with server or nullcontext():
            import_module("rag.ingest.pipeline")  # takes a second while the server boots
            with connected(server), reporting_to(listener):
                listener.doing("reading the windows")
                report = asyncio.run(_run(options))
    if options.json:
        print_json(report.to_json())
    else:
        sys.stdout.write(f"{report.name}: {summary(report)}\n")
    return 1 if report.state == "failed" else 0


async def _run(options: argparse.Namespace) -> SyncReport:
    ended = backfill(options.name, options.start, options.end, options.window, return_state=True)
    return await returned_as(SyncReport, ended, otherwise="The backfill broke off")


if __name__ == "__main__":
    raise SystemExit(main())
