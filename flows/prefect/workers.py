"""Run batches of work in other processes: on the workers of a Prefect work pool, or on a Dask cluster.

    async with batch_runner("workers", kind) as run_batch:
        end = await run_batch(Batch(name, key, parameters))

Batches of backfill windows and batches of texts to embed are two kinds of batches; RAG_RUN_ON says where both run. The
batch of a lost process is run again: by another worker once Prefect has marked its run Crashed, or by Dask itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled
from prefect.tasks import Task
from pydantic import BaseModel

from flows.engine import in_thread
from flows.prefect.lost_runs import crash_silent_runs
from flows.prefect.retries import retrying_task, server_was_busy
from rag.errors import ConfigurationError
from rag.text.lines import one_line

if TYPE_CHECKING:
    from prefect_dask.task_runners import DaskTaskRunner

__all__ = ["Batch", "BatchEnd", "BatchKind", "RunBatch", "batch_runner", "read_result", "store_result"]

R = TypeVar("R", bound=BaseModel)

_MOST_LOST_WORKERS = 3
_SECONDS_BETWEEN_POLLS = 2.0
_RESULT = "result"


@dataclass(frozen=True, slots=True)
class BatchKind(Generic[R]):
    """What processes a batch; the flow and the task take the same parameters.

    :param deployment: the flow that a Prefect worker runs; it calls `store_result`
    :param task: the task that a Dask worker runs; it returns its result
    :param result: the type of the result
    """

    deployment: str
    task: Task[..., R]
    result: type[R]


@dataclass(frozen=True, slots=True)
class Batch:
    """One unit of work for another process.

    :param name: the name of its run, until the run renames itself
    :param key: identifies the batch, so that an interrupted and repeated flow finds the run that it began before
    """

    name: str
    key: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchEnd(Generic[R]):
    """How a batch ended.

    :param result: None if the batch broke off without a result
    :param problem: the reason, if the batch has no result
    :param ended_before: whether the run had ended before this flow asked for it
    """

    result: R | None
    problem: str = ""
    ended_before: bool = False


#: Runs a batch in another process and waits for its end; raises ConfigurationError if the deployment is missing.
RunBatch = Callable[[Batch], Coroutine[Any, Any, BatchEnd[R]]]


@asynccontextmanager
async def batch_runner(
    run_on: str, kind: BatchKind[R], *, patience: timedelta | None = None
) -> AsyncIterator[RunBatch[R]]:
    """Connect to the processes that RAG_RUN_ON names, for the duration of the block.

    :param run_on: "workers", "dask" for a cluster on this machine, or "dask:ADDRESS" of a scheduler
    :param patience: how long a batch may wait for a Prefect worker to begin it; without limit if None
    """
    if run_on == "workers":
        await crash_silent_runs()

        async def run_batch(batch: Batch) -> BatchEnd[R]:
            return await run_on_worker(kind, batch, patience)

        yield run_batch
        return
    with ExitStack() as stack:
        yield _DaskBatches(run_on, kind, stack).run


async def store_result(result: BaseModel) -> None:
    """Store a batch's result with the flow run that made it: its worker may share no files with the reader."""
    await Artifact(type=_RESULT, data=result.model_dump(mode="json")).acreate()


async def read_result(run_id: UUID, kind: type[R]) -> R | None:
    """Return the result that a flow run has stored; None if it broke off before."""
    async with get_client() as client:
        found = await client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]), type=ArtifactFilterType(any_=[_RESULT])
            )
        )
    return kind.model_validate_json(str(found[0].data)) if found else None


# The same key finds the run that an earlier attempt has begun.
@retrying_task("{batch.name} on a worker", retries=5, retry_if=server_was_busy)
async def run_on_worker(kind: BatchKind[R], batch: Batch, patience: timedelta | None) -> BatchEnd[R]:
    """Have a Prefect worker run a batch; if the worker is lost, have another one run it.

    :raises ConfigurationError: the deployment does not exist
    """
    lost = 0
    for attempt in count():
        run = await _begin(kind.deployment, batch, attempt)
        ended_before = bool(run.state and run.state.is_final())
        if (ended := await _wait_for_end(run, patience)) is None:
            return BatchEnd(None, f"No worker has begun “{run.name}” within {patience}.")
        assert ended.state
        if ended.state.is_completed() or (ended.state.is_failed() and not ended_before):
            reason = ended.state.message or "its run gives no reason"
            return BatchEnd(await read_result(ended.id, kind.result), f"flow run {ended.name}: {reason}", ended_before)
        lost += not ended_before
        if lost > _MOST_LOST_WORKERS:
            return BatchEnd(None, f"{lost} workers were lost while they ran “{batch.name}”.")
    raise AssertionError


async def _begin(deployment: str, batch: Batch, attempt: int) -> FlowRun:
    try:
        return await arun_deployment(
            deployment,
            parameters=dict(batch.parameters),
            flow_run_name=batch.name,
            timeout=0,
            idempotency_key=f"{batch.key} {attempt}",
            as_subflow=True,
        )
    except ObjectNotFound as error:
        raise ConfigurationError(
            f"RAG_RUN_ON is workers, and Prefect has no deployment {deployment}. Start python -m flows.serve, "
            "or register the deployments with prefect deploy --all."
        ) from error


async def _wait_for_end(run: FlowRun, patience: timedelta | None) -> FlowRun | None:
    """Return a run when it has ended; cancel it and return None if no worker begins it in time."""
    now = asyncio.get_running_loop().time
    deadline = None if patience is None else now() + patience.total_seconds()
    async with get_client() as client:
        while not (run.state and run.state.is_final()):
            if deadline and run.start_time is None and now() > deadline:
                await client.set_flow_run_state(run.id, Cancelled(message="No worker has begun it."))
                return None
            await asyncio.sleep(_SECONDS_BETWEEN_POLLS)
            run = await client.read_flow_run(run.id)
    return run


class _DaskBatches(Generic[R]):
    """A Dask cluster, joined or started at the first batch: most syncs embed too little for one."""

    def __init__(self, run_on: str, kind: BatchKind[R], stack: ExitStack) -> None:
        self._address = run_on.partition(":")[2]
        self._kind = kind
        self._stack = stack
        self._lock = threading.Lock()
        self._runner: DaskTaskRunner | None = None

    async def run(self, batch: Batch) -> BatchEnd[R]:
        """Run a batch in a Dask worker."""

        def submit_and_wait() -> BatchEnd[R]:
            task = self._kind.task.with_options(task_run_name=f"{batch.name} on Dask")
            try:
                # One at a time: the first submission starts the cluster, and a concurrent one would start another.
                with self._lock:
                    future = self._connect().submit(task, parameters=dict(batch.parameters))
                return BatchEnd(future.result())
            except Exception as error:  # noqa: BLE001 - an error of the cluster or the task is the end of this batch
                reason = one_line(error) or type(error).__name__
                return BatchEnd(None, f"Dask failed at “{batch.name}”: {reason}")

        return await in_thread(submit_and_wait)

    def _connect(self) -> DaskTaskRunner:
        from prefect_dask.task_runners import DaskTaskRunner  # takes a second to import

        if self._runner is None:
            # By default the dashboard of a local cluster takes port 8787, which two clusters cannot share.
            local = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
            runner = DaskTaskRunner(address=self._address) if self._address else DaskTaskRunner(cluster_kwargs=local)
            self._runner = self._stack.enter_context(runner)
        return self._runner
