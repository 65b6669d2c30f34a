"""Read a repository's past in windows, side by side: the flow, and `python -m flows.backfill` that runs it.

A window that is done stays done: the flow, interrupted and run again, goes on with those that are not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Annotated, Any, cast
from uuid import UUID

from prefect import flow, runtime, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate, GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff
from pydantic import Field
from rich.console import Console

from flows.engine import in_thread, program, shared_engine, watched_by, watcher
from flows.ingest import artifact_key
from flows.progress import show_progress, summary
from flows.retries import may_help_to_retry
from flows.server import connected, log_to, wanted_server
from rag.command import CommandParser, run
from rag.errors import ConfigurationError
from rag.models import Backfill, Failure, SyncReport, Window
from rag.settings import load_settings

__all__ = ["LIMIT", "backfill", "backfill_window", "finish", "main"]

#: The global concurrency limit that bounds how many windows are read at once, by all backfills together; set it in
#: Prefect's UI. A backfill takes its slots once, as many as it reads windows at a time: a slot for each window would
#: cost two seconds each on Prefect's SQLite, where taking one collides with the states of other tasks.
LIMIT = "github-windows"
_SLOTS = 8
_AT_ONCE = 4
# A backfill that was killed holds its slots for so long.
_LEASE_SECONDS = 60
_SECONDS_BETWEEN_TABLES = 5.0

# A window's failure is waited out and tried again by GitHub's client first; this is for what lasts longer.
_RETRIES = 3
_runner = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=_AT_ONCE))


@task(
    task_run_name="{start:%Y-%m-%d} to {end:%Y-%m-%d}",
    cache_policy=INPUTS + TASK_SOURCE,
    cache_expiration=timedelta(days=30),
    persist_result=True,
    retries=_RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
)
def backfill_window(
    name: str,
    start: datetime,
    end: datetime,
    backfill_id: str,
    made_by: str,
) -> SyncReport | State[Any]:
    """Read one window.

    :param backfill_id: a finished backfill that is run again reads everything again
    :param made_by: so does another version of the program
    """
    with shared_engine() as engine:
        report = engine.backfill_window(name, Window(start, end))
    if report.state == "failed":
        return Failed(message=report.errors[0].error, data=report)
    return report


@task(
    task_run_name="finish {planned.source}",
    persist_result=False,
    retries=_RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
)
def finish(planned: Backfill) -> SyncReport:
    """Write what no window could write alone, and bring what came meanwhile."""
    watch = watcher()
    with shared_engine() as engine:
        return engine.finish_backfill(planned, progress=lambda report: watch(planned.source, report))


def _run_name() -> str:
    return f"backfill {runtime.flow_run.parameters['name']}"


@flow(
    name="backfill",
    flow_run_name=_run_name,
    task_runner=_runner,
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
    once more. The table artifact of the run shows every window and its state. Discussions, which GitHub does not list
    by time, come at the end.

    Args:
        name: The source's name in sources.toml.
        start: The first day, UTC; the repository's first one, or the source's `since`, if none.
        end: The day before which it ends, UTC; up to now, if none.
        window: The length of a window in days. Windows of 7 days begin on Mondays.

    """
    began = time.monotonic()
    at_once = min(_AT_ONCE, await _limit())
    with shared_engine() as engine:
        planned = await in_thread(
            lambda: engine.plan_backfill(name, start=_midnight(start), end=_midnight(end), days=window)
        )
        progress = _Progress(planned)
        await progress.show()
        async with concurrency(LIMIT, occupy=at_once, lease_duration=_LEASE_SECONDS):
            await _read(planned, progress, at_once)
        if progress.failed:
            report = progress.report()
            await progress.show(report)
            return Failed(message=f"{progress.summary().rstrip('.')}. Run it again to go on.", data=report)
        report = progress.report(await in_thread(lambda: finish(planned)))
    report = replace(report, seconds=time.monotonic() - began)
    await progress.show(report)
    if report.state == "failed":
        return Failed(message=f"{report.errors[0].url}: {report.errors[0].error}", data=report)
    return report


async def _read(planned: Backfill, progress: _Progress, at_once: int) -> None:
    """Read the windows, oldest first, so that a thread's comments are there before it; stop where one fails.

    Only a few are handed out at a time, since those behind a failure need not be tried.
    """
    done: asyncio.Queue[tuple[Window, PrefectFuture[Any]]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    windows = iter(planned.windows)

    def put(window: Window, future: PrefectFuture[Any]) -> None:
        future.wait()  # which is what gives it its state
        loop.call_soon_threadsafe(done.put_nowait, (window, future))

    def hand_out() -> bool:
        if progress.failed or (window := next(windows, None)) is None:
            return False
        future = backfill_window.submit(planned.source, window.start, window.end, planned.id, program())
        future.add_done_callback(partial(put, window))
        return True

    waiting = sum(hand_out() for _ in range(at_once))
    while waiting:
        window, future = await done.get()
        await progress.add(window, future.state)
        waiting += hand_out() - 1


async def _limit() -> int:
    """Return how many windows may be read at once; make the concurrency limit, unless somebody has."""
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):
            await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=_SLOTS))
        return max(1, (await client.read_global_concurrency_limit_by_name(LIMIT)).limit)


async def _free_slots() -> None:
    """Take back the slots that a killed run left taken: a server of our own does not outlive us to do it."""
    async with get_client() as client:
        with suppress(ObjectNotFound):
            await client.update_global_concurrency_limit(LIMIT, GlobalConcurrencyLimitUpdate(active_slots=0))


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


@dataclass(slots=True)
class _Progress:
    """The windows of a backfill with their states, as a table artifact that follows them."""

    planned: Backfill
    states: dict[Window, str] = field(default_factory=dict)
    reports: dict[Window, SyncReport] = field(default_factory=dict)
    failed: str | None = None
    _artifact: UUID | None = None
    _shown: float = 0.0

    async def add(self, window: Window, state: State[Any]) -> None:
        """Note how a window ended."""
        result = await state.aresult(raise_on_failure=False)
        cached = state.name == "Cached"
        if isinstance(result, SyncReport):
            # What an earlier run has read is no part of this one's outcome.
            self.reports[window] = SyncReport(result.name, result.kind, "completed") if cached else result
        if state.is_completed():
            self.states[window] = "read before" if cached else "read"
        else:
            problem = result.errors[0].error if isinstance(result, SyncReport) and result.errors else str(result)
            self.states[window] = f"failed: {problem}"
            self.failed = self.failed or f"{_span(window)}: {problem}"
        if time.monotonic() - self._shown > _SECONDS_BETWEEN_TABLES or self.states[window].startswith("failed"):
            watcher()(self.planned.source, self.summary())
            await self.show()

    def summary(self) -> str:
        """Say how far it is, in one line."""
        done = sum(1 for state in self.states.values() if not state.startswith("failed"))
        before = sum(1 for state in self.states.values() if state == "read before")
        said = f"{done:,} of {len(self.planned.windows):,} windows" + (f" ({before:,} read before)" if before else "")
        return f"{said}; failed: {self.failed}" if self.failed else said

    def report(self, last: SyncReport | None = None) -> SyncReport:
        """Return the sum of the windows' reports, and of that of the sync at the end."""
        reports = [*self.reports.values(), *([last] if last else [])]
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
            requests=sum(report.requests for report in reports),
            seconds=sum(report.seconds for report in reports),
            errors=errors,
        )

    async def show(self, report: SyncReport | None = None) -> None:
        """Write the table, or write it anew."""
        name = self.planned.source
        description = f"**{name}**: {self.summary()}" + (f"\n\n{summary(report)}" if report else "")
        rows = list(self._rows())
        self._shown = time.monotonic()
        if self._artifact is None:
            self._artifact = await acreate_table_artifact(
                rows, key=artifact_key("backfill", name), description=description
            )
            return
        async with get_client() as client:
            await client.update_artifact(self._artifact, ArtifactUpdate(data=json.dumps(rows), description=description))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for window in self.planned.windows:
            report = self.reports.get(window)
            yield {
                "window": _span(window),
                "state": self.states.get(window, "waiting"),
                "documents": report.added + report.updated if report else 0,
                "chunks": report.chunks_added if report else 0,
                "requests": report.requests if report else 0,
                "seconds": round(report.seconds, 1) if report else 0.0,
            }


def _span(window: Window) -> str:
    return f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"


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
        server = wanted_server()
        with server or nullcontext():
            import_module("rag.ingestion")  # takes a second, in which the server boots
            with connected(server), show_progress(console, [options.name]) as watch, watched_by(watch):
                report = asyncio.run(_run(options, own_server=server is not None))
    if options.json:
        json.dump(report.to_json(), sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{report.name}: {summary(report)}\n")
    return 1 if report.state == "failed" else 0


async def _run(options: argparse.Namespace, *, own_server: bool) -> SyncReport:
    if own_server:
        await _free_slots()
    state = await backfill(options.name, options.start, options.end, options.window, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    assert isinstance(result, SyncReport)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
