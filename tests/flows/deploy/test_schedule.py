"""Prefect's scheduler, and nothing else, starts a sync of a source when its schedule is due."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.schedules import IntervalSchedule

from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.served import Served

pytestmark = [
    pytest.mark.timeout(300),  # flows.serve and the process of the run both import Prefect
]

# The server looks for schedules every 3 seconds. On a machine so busy that it notices a schedule too late, the source
# is due again after a minute.
_SECONDS_TO_NOTICE = 8
_INTERVAL = timedelta(minutes=1)


async def move_schedule(served: Served, deployment: str, due: datetime, *, active: bool = True) -> None:
    """Change the schedule of a source to every minute from `due` on, as Prefect's UI does."""
    async with PrefectClient(served.api_url) as client:
        found = await client.read_deployment_by_name(f"ingest-source/{deployment}")
        [schedule] = [schedule for schedule in found.schedules if schedule.slug == "incremental"]
        # An update without the parameters of a schedule would delete them.
        moved = IntervalSchedule(interval=_INTERVAL, anchor_date=due, timezone="UTC")
        await client.update_deployment_schedule(
            found.id, schedule.id, active=active, schedule=moved, parameters=schedule.parameters
        )


def test_a_source_is_synced_when_its_schedule_is_due(served: Served) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=_SECONDS_TO_NOTICE)

    asyncio.run(move_schedule(served, "ingest issues", due))
    run = served.finished_run("ingest issues", scheduled=True, expected_start_time={"after_": due.isoformat()})
    asyncio.run(move_schedule(served, "ingest issues", due, active=False))

    expected = datetime.fromisoformat(run["expected_start_time"])
    assert (expected - due) % _INTERVAL == timedelta()
    assert datetime.fromisoformat(run["start_time"]) >= expected - timedelta(seconds=1)
    # The run has the parameters of its schedule.
    assert run["parameters"]["when_busy"] == "skip"
    assert run["state"]["name"] == "Completed"
    assert run["name"].startswith("ingest issues · ")
    with Database(served.dsn, embedded=True) as database:
        assert len(Store(database).documents.hashes("issues")) > 3
