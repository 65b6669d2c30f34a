"""Artifacts, runs and logs that Prefect has recorded."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterLevel,
)
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun
from prefect.client.schemas.sorting import ArtifactSort

from tests.processes import wait_for

# Prefect records with a delay of seconds, and longer on a busy machine. A look makes a client of Prefect's, which takes
# much of the time that the server needs.
_SECONDS = 120
_PAUSE = 0.5


def artifact(key: str) -> Artifact:
    """The newest artifact of a key."""

    async def read() -> Artifact:
        async with get_client() as client:
            found = await client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
                sort=ArtifactSort.CREATED_DESC,
                limit=1,
            )
            return found[0]

    return asyncio.run(read())


def table(key: str) -> dict[str, Any]:
    """The newest table artifact of a key: outcome by name of the row."""
    data = artifact(key).data
    rows = json.loads(data) if isinstance(data, str) else data
    return {row["what"]: row["outcome"] for row in rows}


def flow_run(run_id: UUID) -> FlowRun:
    async def read() -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(run_id)

    return asyncio.run(read())


def logs(run_id: UUID) -> list[str]:
    """The warnings and errors that a flow run has logged; Prefect sends them every two seconds."""

    async def read() -> list[str]:
        async with get_client() as client:
            wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]), level=LogFilterLevel(ge_=logging.WARNING))
            return [log.message for log in await client.read_logs(wanted)]

    return wait_for(
        lambda: asyncio.run(read()),
        seconds=_SECONDS,
        else_show=lambda: f"flow run {run_id} has no warnings",
        pause=_PAUSE,
    )


def newest_run(name: str) -> FlowRun:
    """The running flow run of a name; waits for it to start."""

    async def read() -> list[FlowRun]:
        async with get_client() as client:
            named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
            return await client.read_flow_runs(flow_run_filter=named)

    def running() -> FlowRun | None:
        return next((run for run in asyncio.run(read()) if run.state and run.state.is_running()), None)

    return wait_for(running, seconds=_SECONDS, else_show=lambda: f"flow run {name} has not started")


def runs_below(run_id: UUID) -> dict[str, FlowRun]:
    """The flow runs that a flow run has started, by name."""

    async def read() -> list[FlowRun]:
        async with get_client() as client:
            parent = FlowRunFilterParentFlowRunId(any_=[run_id])
            return await client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))

    return {run.name: run for run in asyncio.run(read())}


def runs_of(flow: str) -> list[FlowRun]:
    """The runs of a flow."""

    async def read() -> list[FlowRun]:
        async with get_client() as client:
            return await client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))

    return asyncio.run(read())


def task_run(run_id: UUID, name: str) -> TaskRun:
    """The finished run of a task in a flow run; waits, since the server records it with a delay."""

    async def read() -> list[TaskRun]:
        async with get_client() as client:
            return await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))

    def ended() -> TaskRun | None:
        runs = asyncio.run(read())
        return next((run for run in runs if run.name == name and run.state and run.state.is_final()), None)

    return wait_for(ended, seconds=_SECONDS, else_show=lambda: f"task run {name} has not ended", pause=_PAUSE)
