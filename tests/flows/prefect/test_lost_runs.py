"""Prefect marks runs whose process is gone as Crashed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import Automation, EventTrigger

import flows
from flows.deploy.deployments import deployments
from flows.prefect.lost_runs import SILENT_RUNS, crash_silent_runs
from flows.prefect.server import ServerProcess
from tests.flows.pool import EXAMPLE


def test_one_automation_marks_lost_runs_of_every_deployment(prefect_server: ServerProcess) -> None:
    async def made() -> list[Automation]:
        await crash_silent_runs()
        async with get_client() as client:
            return await client.read_automations_by_name(SILENT_RUNS)

    [automation] = asyncio.run(made())
    [again] = asyncio.run(made())

    assert again.id == automation.id, "a new automation would have to wait for heartbeats again"
    trigger = automation.trigger
    assert isinstance(trigger, EventTrigger)
    watched = set(trigger.match_related.root["prefect.resource.name"])
    assert watched == {deployment.flow_name for deployment in asyncio.run(deployments(EXAMPLE, Path("queries.jsonl")))}


def test_runs_send_heartbeats() -> None:
    assert flows.__doc__
    assert int(os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) * 5 < 180
