"""Other processes that work for a run: workers of a Prefect work pool, and the processes of a Dask cluster.

One that is lost is made up for: Prefect marks its run Crashed and another is begun; Dask does so by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelled
from prefect.tasks import Task

from rag.errors import ConfigurationError, SourceUnavailable

if TYPE_CHECKING:
    from prefect_dask.task_runners import DaskTaskRunner

__all__ = ["dask_runner", "run_on_worker", "server_was_busy"]

_MOST_LOST = 3
_SECONDS_BETWEEN_LOOKS = 2.0


async def run_on_worker(
    deployment: str,
    parameters: Mapping[str, Any],
    *,
    name: str,
    key: str,
    setting: str,
    patience: timedelta | None = None,
) -> tuple[FlowRun, bool]:
    """Have a worker run a deployment; if it is lost, another one.

    :param name: what the run is called until it names itself
    :param key: gives the same run to a flow that was interrupted and is run again
    :param setting: what asks for workers
    :param patience: how long the run may wait for a worker; for ever if None
    :returns: the run, completed or failed, and whether it had ended before
    :raises ConfigurationError: there is no such deployment
    :raises SourceUnavailable: no worker has begun it in time, or several were lost over it
    """
    lost = 0
    for attempt in count():
        try:
            run = await arun_deployment(
                deployment,
                parameters=dict(parameters),
                flow_run_name=name,
                timeout=0,
                idempotency_key=f"{key} {attempt}",
                as_subflow=True,
            )
        except ObjectNotFound as error:
            raise ConfigurationError(
                f"{setting} is workers, and Prefect has no deployment {deployment}. Start python -m flows.serve, "
                "or register the deployments with prefect deploy --all."
            ) from error
        is_old = bool(run.state and run.state.is_final())
        run = await _final(run, patience)
        assert run.state
        if run.state.is_completed():
            return run, is_old
        if is_old:
            continue
        if run.state.is_failed():
            return run, False
        lost += 1
        if lost > _MOST_LOST:
            raise SourceUnavailable(f"{lost} workers were lost over {name}.")
    raise AssertionError


async def _final(run: FlowRun, patience: timedelta | None) -> FlowRun:
    """Wait until a run has ended, whoever works on it."""
    until = None if patience is None else asyncio.get_running_loop().time() + patience.total_seconds()
    async with get_client() as client:
        while not (run.state and run.state.is_final()):
            if until and run.start_time is None and asyncio.get_running_loop().time() > until:
                await client.set_flow_run_state(run.id, Cancelled(message="No worker took it."))
                raise SourceUnavailable(f"No worker has taken “{run.name}” in {patience}.")
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            run = await client.read_flow_run(run.id)
    return run


async def server_was_busy(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Tell a server that could not answer, as SQLite's cannot under load, from one that refuses."""
    error = await state.aresult(raise_on_failure=False)
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def dask_runner(on: str) -> DaskTaskRunner:
    """Return the task runner of `dask:ADDRESS`, or of `dask`: a cluster on this machine for as long as it takes."""
    from prefect_dask.task_runners import DaskTaskRunner  # takes a second to import

    address = on.partition(":")[2]
    # A cluster of our own has no dashboard: that would listen to the whole network.
    of_our_own = {"threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(address=address) if address else DaskTaskRunner(cluster_kwargs=of_our_own)
