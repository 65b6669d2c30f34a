"""Read the windows of a backfill: in threads of this process, on Prefect workers, or on a Dask cluster.

backfill_window      a task that reads one window; the same backfill does not read a window twice
backfill_windows     a flow that reads a batch of windows, for a Prefect worker
read_window_batch    a task that reads a batch of windows, for a Dask worker
read_windows         reads all windows where RAG_RUN_ON says

Other processes get batches, because starting a process takes longer than reading one window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, cast

from prefect import flow
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.concurrency.sync import concurrency as concurrency_here
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import BaseModel, Field

from flows.engine import program, shared_engine
from flows.prefect.endings import told
from flows.prefect.limits import LEASE_SECONDS, WINDOWS_LIMIT, made_limit
from flows.prefect.retries import retrying_task
from flows.prefect.run_records import Row, artifact_key, put_table, rename_run
from flows.prefect.workers import Batch, BatchKind, RunBatch, batch_runner, store_result
from rag.ingest.report import SyncReport
from rag.sources.windows import Window

__all__ = [
    "WINDOWS",
    "WindowRead",
    "WindowReads",
    "backfill_window",
    "backfill_windows",
    "read_window_batch",
    "read_windows",
    "span",
    "window_row",
]

#: The deployment with which workers read a batch of windows.
WINDOWS = "backfill-windows/windows"

_SLOTS = 8
_AT_ONCE = 4
# A worker takes five seconds to start a run; a Dask worker is already running.
_WINDOWS_PER_RUN = 50
_WINDOWS_PER_TASK = 10
# Runs that are created at the same instant collide in Prefect's SQLite.
_SECONDS_APART = 0.5

_NOTHING = SyncReport("", "github", "completed")


class WindowRead(BaseModel, frozen=True):
    """The outcome of one window.

    :param report: what this backfill has written; empty if the window had been read before
    :param problem: why the window failed
    """

    window: Window
    state: Literal["read", "read before", "failed"]
    report: SyncReport
    problem: str = ""

    def as_read_before(self) -> WindowRead:
        """Return the outcome for a later backfill, whose report does not include this one's."""
        return WindowRead(window=self.window, state="read before", report=_NOTHING)


class WindowReads(BaseModel, frozen=True):
    """The outcome of a batch of windows, in the order in which they ended."""

    reads: list[WindowRead]


#: Called with the outcome of each window.
Note = Callable[[WindowRead], Coroutine[Any, Any, None]]
#: The start and the end of a window; unlike Window, a flow's parameter in Prefect's UI.
Span = tuple[datetime, datetime]


@retrying_task(
    "{start:%Y-%m-%d} to {end:%Y-%m-%d}",
    cache_policy=INPUTS + TASK_SOURCE,
    cache_expiration=timedelta(days=30),
    persist_result=True,
    result_serializer="json",
)
def backfill_window(
    name: str,
    start: datetime,
    end: datetime,
    backfill_id: str,
    program_digest: str,
) -> SyncReport | State[Any]:
    """Read one window; Prefect's cache keeps the report.

    :param backfill_id: a finished backfill that is run again has another id, and reads everything again
    :param program_digest: another version of the program reads everything again
    """
    with shared_engine() as engine:
        report = engine.backfills.read_window(name, Window(start, end))
    if report.state == "failed":
        return Failed(message=report.errors[0].error, data=report)
    return report


async def read_windows(name: str, windows: Sequence[Window], backfill_id: str, note: Note, *, run_on: str) -> None:
    """Read windows, oldest first, so that the comments of a thread are stored before the thread.

    After a failed window no further window is begun; Prefect and Dask workers finish the other batches.

    :param run_on: RAG_RUN_ON
    :param note: called with the outcome of each window
    """
    if run_on == "threads":
        await _read_in_threads(name, windows, backfill_id, note, at_once=_AT_ONCE)
        return
    await made_limit(WINDOWS_LIMIT, _SLOTS)
    size = _WINDOWS_PER_RUN if run_on == "workers" else _WINDOWS_PER_TASK
    async with batch_runner(run_on, _KIND) as run_batch:
        # All batches at once: only Prefect or Dask knows the number of workers.
        await _all(
            _read_batch(name, batch, backfill_id, note, run_batch, delay=position * _SECONDS_APART)
            for position, batch in enumerate(_batches(windows, size))
        )


# In threads of this process


async def _read_in_threads(name: str, windows: Sequence[Window], backfill_id: str, note: Note, *, at_once: int) -> None:
    """Read windows in threads; at most `at_once` are submitted, since none is read after a failed one."""
    at_once = min(at_once, await made_limit(WINDOWS_LIMIT, _SLOTS))
    waiting = iter(windows)
    done: asyncio.Queue[tuple[Window, PrefectFuture[Any]]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    failed = False

    def put(window: Window, future: PrefectFuture[Any]) -> None:
        loop.call_soon_threadsafe(done.put_nowait, (window, future))

    def submit_next() -> bool:
        if failed or (window := next(waiting, None)) is None:
            return False
        future = backfill_window.submit(name, window.start, window.end, backfill_id, program())
        future.add_done_callback(partial(put, window))
        return True

    async with concurrency(WINDOWS_LIMIT, occupy=at_once, lease_duration=LEASE_SECONDS):
        busy = sum(submit_next() for _ in range(at_once))
        while busy:
            window, future = await done.get()
            # Sets the state, or raises what ended the thread: rich raises SystemExit, for example, if the process that
            # reads this run's output is gone. Raised here, it ends the run.
            future.wait()
            read = _outcome(window, future.state, await future.state.aresult(raise_on_failure=False))
            failed = failed or read.state == "failed"
            await note(read)
            busy += submit_next() - 1


def _outcome(window: Window, state: State[Any], result: object) -> WindowRead:
    report = result if isinstance(result, SyncReport) else _NOTHING
    if not state.is_completed():
        problem = report.errors[0].error if report.errors else str(result)
        return WindowRead(window=window, state="failed", report=report, problem=problem)
    read = WindowRead(window=window, state="read", report=report)
    return read.as_read_before() if state.name == "Cached" else read


# In other processes


@flow(
    name="backfill-windows",
    flow_run_name="windows of {name}",
    task_runner=cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=_AT_ONCE)),
    persist_result=False,
)
@told
async def backfill_windows(
    name: str,
    windows: list[Span],
    backfill_id: str,
    at_once: Annotated[int, Field(ge=1, le=_AT_ONCE)] = 1,
) -> State[Any]:
    """Read some windows of a backfill. Backfills start this flow on workers; there is no reason to start it by hand.

    Args:
        name: The source's name in sources.toml.
        windows: The first instant of each window and the instant after its last one, oldest window first.
        backfill_id: The id of the backfill. Windows that were read under this id are not read again.
        at_once: The number of windows to read at the same time.

    """
    reads: list[WindowRead] = []

    async def note(read: WindowRead) -> None:
        reads.append(read)

    with shared_engine():
        await _read_in_threads(name, [Window(*window) for window in windows], backfill_id, note, at_once=at_once)
    done = [read for read in reads if read.state != "failed"]
    documents = sum(read.report.added + read.report.updated for read in done)
    await store_result(WindowReads(reads=reads))
    await put_table([window_row(read) for read in reads], key=artifact_key("windows", name), description=f"**{name}**")
    await rename_run(f"windows of {name} · {len(done)} of {len(windows)}, {documents} documents")
    if len(done) < len(reads):
        return Failed(message=next(read.problem for read in reads if read.state == "failed"))
    return Completed(message=f"{len(done)} windows, {documents} documents.")


@retrying_task("windows of {name}")
def read_window_batch(name: str, windows: list[Span], backfill_id: str) -> WindowReads:
    """Read windows one after another; stop at the first failed one."""
    reads: list[WindowRead] = []
    with shared_engine(), concurrency_here(WINDOWS_LIMIT, occupy=1, lease_duration=LEASE_SECONDS):
        for start, end in windows:
            state = backfill_window(name, start, end, backfill_id, program(), return_state=True)
            reads.append(_outcome(Window(start, end), state, state.result(raise_on_failure=False)))
            if reads[-1].state == "failed":
                break
    return WindowReads(reads=reads)


_KIND = BatchKind(WINDOWS, read_window_batch, WindowReads)


async def _read_batch(
    name: str, windows: Sequence[Window], backfill_id: str, note: Note, run_batch: RunBatch[WindowReads], delay: float
) -> None:
    await asyncio.sleep(delay)
    spans = [(window.start, window.end) for window in windows]
    end = await run_batch(
        Batch(
            f"windows of {name}, {windows[0].start:%Y-%m-%d} to {windows[-1].end:%Y-%m-%d}",
            key=f"{backfill_id} {windows[0].start:%Y-%m-%d} {len(windows)} {program()[:12]}",
            parameters={"name": name, "windows": spans, "backfill_id": backfill_id},
        )
    )
    if end.result is None:
        await note(WindowRead(window=windows[0], state="failed", report=_NOTHING, problem=end.problem))
        return
    for read in end.result.reads:
        await note(read.as_read_before() if end.ended_before else read)


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Wait for all; then raise the first error."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _batches(windows: Sequence[Window], size: int) -> Iterator[Sequence[Window]]:
    for start in range(0, len(windows), size):
        yield windows[start : start + size]


# For people


def window_row(read: WindowRead) -> Row:
    """Return the outcome of a window as a row of a table artifact."""
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
    """Return the first and the last day of a window as text."""
    return f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
