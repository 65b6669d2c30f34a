"""Read the windows of a backfill: in threads here, by workers of Prefect's, or on a Dask cluster.

backfill_window     one window, a task; done, it is not read again by the same backfill
backfill_windows    some windows one after another, a flow: what a worker is given
read_windows        all of them, by what RAG_BACKFILL_ON names

Workers and Dask are given batches, since a process that starts takes seconds to import what one window takes to read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, cast

from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun, State
from prefect.concurrency.asyncio import concurrency
from prefect.concurrency.sync import concurrency as concurrency_here
from prefect.futures import PrefectFuture, as_completed
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff
from pydantic import Field, TypeAdapter

from flows.engine import in_thread, program, shared_engine
from flows.prefect.limits import LEASE_SECONDS, WINDOWS_LIMIT, made_limit
from flows.prefect.lost_runs import notice_lost_runs
from flows.prefect.retries import may_help_to_retry
from flows.prefect.run_records import Row, artifact_key, name_run, put_table
from flows.prefect.workers import dask_runner, run_on_worker, server_was_busy
from rag.models import SyncReport, Window

__all__ = [
    "WINDOWS",
    "WindowRead",
    "backfill_window",
    "backfill_windows",
    "read_windows",
    "span",
    "window_row",
]

_SLOTS = 8
_AT_ONCE = 4

#: The deployment that workers read windows by.
WINDOWS = "backfill-windows/windows"
# Windows for one run of a worker, which takes five seconds to start; and for one task of a Dask worker, which has.
_WINDOWS_A_RUN = 50
_WINDOWS_A_TASK = 10
# Runs that are created at the same instant collide in Prefect's SQLite.
_SECONDS_APART = 0.5
_TABLE = "windows"

# A window's failure is waited out and tried again by GitHub's client first; this is for what lasts longer.
_RETRIES = 3
_runner = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=_AT_ONCE))


@dataclass(frozen=True, slots=True)
class WindowRead:
    """How the reading of a window ended.

    :param report: what it brought to this backfill; nothing, if it had been read before
    """

    window: Window
    state: Literal["read", "read before", "failed"]
    report: SyncReport
    problem: str = ""


#: Called with each window that has ended.
Note = Callable[[WindowRead], Coroutine[Any, Any, None]]


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


async def read_windows(name: str, windows: Sequence[Window], backfill_id: str, note: Note, *, on: str) -> None:
    """Read windows, oldest first, so that a thread's comments are there before it; begin none behind a failure.

    Workers and Dask go on with the batches that they were given.

    :param on: threads, workers, dask, or dask:ADDRESS of a scheduler
    :param note: called with each window that has ended
    """
    if on == "threads":
        await _read_here(name, windows, backfill_id, note, at_once=_AT_ONCE)
    elif on == "workers":
        await _read_on_workers(name, windows, backfill_id, note)
    else:
        await _read_on_dask(name, windows, backfill_id, note, on=on)


# Here


async def _read_here(name: str, windows: Sequence[Window], backfill_id: str, note: Note, *, at_once: int) -> None:
    """Read windows in threads of this process.

    Only a few are handed out at a time, since those behind a failure need not be tried.
    """
    at_once = min(at_once, await made_limit(WINDOWS_LIMIT, _SLOTS))
    waiting = iter(windows)
    done: asyncio.Queue[tuple[Window, PrefectFuture[Any]]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    failed = False

    def put(window: Window, future: PrefectFuture[Any]) -> None:
        loop.call_soon_threadsafe(done.put_nowait, (window, future))

    def hand_out() -> bool:
        if failed or (window := next(waiting, None)) is None:
            return False
        future = backfill_window.submit(name, window.start, window.end, backfill_id, program())
        future.add_done_callback(partial(put, window))
        return True

    async with concurrency(WINDOWS_LIMIT, occupy=at_once, lease_duration=LEASE_SECONDS):
        busy = sum(hand_out() for _ in range(at_once))
        while busy:
            window, future = await done.get()
            # Gives it its state, or raises what has ended its thread, here, where that ends the run: a SystemExit of
            # rich's, say, as a line is logged and the worker that reads this run's lines is gone.
            future.wait()
            read = await _ended(window, future.state)
            failed = failed or read.state == "failed"
            await note(read)
            busy += hand_out() - 1


async def _ended(window: Window, state: State[Any]) -> WindowRead:
    return _read_of(window, state, await state.aresult(raise_on_failure=False))


def _read_of(window: Window, state: State[Any], result: object) -> WindowRead:
    report = result if isinstance(result, SyncReport) else SyncReport("", "github", "completed")
    if not state.is_completed():
        problem = report.errors[0].error if report.errors else str(result)
        return WindowRead(window, "failed", report, problem)
    if state.name == "Cached":
        # What an earlier run has read is no part of this one's outcome.
        return WindowRead(window, "read before", SyncReport(report.name, report.kind, "completed"))
    return WindowRead(window, "read", report)


# By workers of Prefect's


@flow(
    name="backfill-windows",
    flow_run_name="windows of {name}",
    task_runner=_runner,
    persist_result=False,
)
async def backfill_windows(
    name: str,
    windows: list[tuple[datetime, datetime]],
    backfill_id: str,
    at_once: Annotated[int, Field(ge=1, le=_AT_ONCE)] = 1,
) -> State[Any]:
    """Read some windows of a backfill; a backfill gives them to workers, nobody starts this by hand.

    Args:
        name: The source's name in sources.toml.
        windows: The first and the last instant of each window, oldest first.
        backfill_id: What the backfill goes by; windows that are done under it are not read again.
        at_once: How many windows to read at once.

    """
    reads: list[WindowRead] = []

    async def note(read: WindowRead) -> None:
        reads.append(read)

    with shared_engine():
        await _read_here(name, [Window(*window) for window in windows], backfill_id, note, at_once=at_once)
    done = [read for read in reads if read.state != "failed"]
    documents = sum(read.report.added + read.report.updated for read in done)
    await put_table([window_row(read) for read in reads], key=artifact_key(_TABLE, name), description=f"**{name}**")
    await name_run(f"windows of {name} · {len(done)} of {len(windows)}, {documents} documents")
    if len(done) < len(reads):
        return Failed(message=next(read.problem for read in reads if read.state == "failed"))
    return Completed(message=f"{len(done)} windows, {documents} documents.")


@task(
    task_run_name="{start:%Y-%m-%d} to {end:%Y-%m-%d} by a worker",
    persist_result=False,
    # The same key finds the run that an attempt before has begun.
    retries=5,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=server_was_busy,
)
async def by_worker(
    name: str, windows: list[Window], start: datetime, end: datetime, backfill_id: str
) -> list[WindowRead]:
    """Have a worker read windows; if it is lost, another one."""
    del start, end  # are in the name
    parameters = {
        "name": name,
        "windows": [(window.start.isoformat(), window.end.isoformat()) for window in windows],
        "backfill_id": backfill_id,
    }
    # The same key gives the same run, also to a backfill that was interrupted and is run again.
    key = f"{backfill_id} {windows[0].start:%Y-%m-%d} {len(windows)} {program()[:12]}"
    run, is_old = await run_on_worker(
        WINDOWS, parameters, name=f"windows of {name}", key=key, setting="RAG_BACKFILL_ON"
    )
    return await _reads_of(run, windows, before=is_old)


async def _reads_of(run: FlowRun, windows: Sequence[Window], *, before: bool) -> list[WindowRead]:
    """Read from the artifact of a run how its windows ended: workers on other machines share no files with us."""
    async with get_client() as client:
        [*found] = await client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]),
                key=ArtifactFilterKey(like_=f"{_TABLE}-%"),
            )
        )
    message = (run.state.message if run.state else None) or "its run says no reason"
    if not found:
        nothing = SyncReport("", "github", "completed")
        return [WindowRead(windows[0], "failed", nothing, f"flow run {run.name}: {message}")]
    data = found[0].data
    rows = TypeAdapter(list[_WindowRow]).validate_python(json.loads(data) if isinstance(data, str) else data)
    by_span = {span(window): window for window in windows}
    return [row.read(by_span[row.window], before=before) for row in rows]


@dataclass(frozen=True, slots=True)
class _WindowRow:
    """A row of the table that a worker leaves."""

    window: str
    state: str
    added: int
    updated: int
    chunks: int
    embedded: int
    requests: int
    seconds: float

    def read(self, window: Window, *, before: bool) -> WindowRead:
        state, _, problem = self.state.partition(": ")
        if state == "failed":
            return WindowRead(window, "failed", SyncReport("", "github", "completed"), problem)
        if before or state == "read before":
            return WindowRead(window, "read before", SyncReport("", "github", "completed"))
        report = SyncReport(
            "", "github", "completed", seen=self.added + self.updated, added=self.added, updated=self.updated,
            chunks_added=self.chunks, embedded=self.embedded, requests=self.requests, seconds=self.seconds,
        )  # fmt: skip
        return WindowRead(window, "read", report)


def window_row(read: WindowRead) -> Row:
    """Return how a window ended as a row of a table artifact."""
    report = read.report
    return {
        "window": span(read.window),
        "state": f"failed: {read.problem}" if read.state == "failed" else read.state,
        "added": report.added,
        "updated": report.updated,
        "chunks": report.chunks_added,
        "embedded": report.embedded,
        "requests": report.requests,
        "seconds": round(report.seconds, 1),
    }


def span(window: Window) -> str:
    """Say a window's days."""
    return f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"


async def _read_on_workers(name: str, windows: Sequence[Window], backfill_id: str, note: Note) -> None:
    async def read(position: int, batch: list[Window]) -> None:
        await asyncio.sleep(position * _SECONDS_APART)
        for ended in await by_worker(name, batch, batch[0].start, batch[-1].end, backfill_id):
            await note(ended)

    await notice_lost_runs()
    # All at once: how many workers there are, and where, is Prefect's to know.
    await _all(read(*numbered) for numbered in enumerate(_batches(windows, _WINDOWS_A_RUN)))


async def _all(works: Iterator[Awaitable[None]]) -> None:
    """Wait for all; then raise what one of them raised."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


# On a Dask cluster


@task(
    task_run_name="{start:%Y-%m-%d} to {end:%Y-%m-%d} on Dask",
    persist_result=False,
    retries=_RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_condition_fn=may_help_to_retry,
)
def by_dask(name: str, windows: list[Window], start: datetime, end: datetime, backfill_id: str) -> list[WindowRead]:
    """Read windows one after another in a process of a Dask cluster."""
    del start, end  # are in the name
    reads = []
    with shared_engine(), concurrency_here(WINDOWS_LIMIT, occupy=1, lease_duration=LEASE_SECONDS):
        for window in windows:
            state = backfill_window(name, window.start, window.end, backfill_id, program(), return_state=True)
            reads.append(_read_of(window, state, state.result(raise_on_failure=False)))
            if reads[-1].state == "failed":
                break
    return reads


async def _read_on_dask(name: str, windows: Sequence[Window], backfill_id: str, note: Note, *, on: str) -> None:
    await made_limit(WINDOWS_LIMIT, _SLOTS)
    runner = cast("TaskRunner[PrefectFuture[Any]]", dask_runner(on))
    batches = [[(window.start, window.end) for window in batch] for batch in _batches(windows, _WINDOWS_A_TASK)]
    token = _note.set(note)
    try:
        await on_dask.with_options(task_runner=runner)(name, batches, backfill_id)
    finally:
        _note.reset(token)


# Not a parameter of the flow, since it cannot be sent anywhere; nor can this, so that the flow may not name it.
_note: ContextVar[Note] = ContextVar("note")


def _who_notes() -> Note:
    return _note.get()


@flow(name="backfill-on-dask", flow_run_name="windows of {name} on Dask", persist_result=False)
async def on_dask(name: str, batches: list[list[tuple[datetime, datetime]]], backfill_id: str) -> None:
    """Read batches of windows on the cluster that this flow's task runner knows."""
    note, loop = _who_notes(), asyncio.get_running_loop()
    futures = [
        by_dask.submit(name, [Window(*window) for window in batch], batch[0][0], batch[-1][1], backfill_id)
        for batch in batches
    ]

    def gather() -> None:
        for future in as_completed(futures):
            for ended in future.result():
                asyncio.run_coroutine_threadsafe(note(ended), loop).result()

    await in_thread(gather)


def _batches(windows: Sequence[Window], size: int) -> Iterator[list[Window]]:
    for start in range(0, len(windows), size):
        yield list(windows[start : start + size])
