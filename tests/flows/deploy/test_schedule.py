"""A schedule fires: Prefect's own scheduler starts a run of a source when its cron says so, and nobody else does."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule

from flows.prefect.server import ServerProcess
from flows.schedules import schedule_of
from rag.settings import GitHubConfig
from rag.store.database import Database
from rag.store.store import Store
from tests.flows.conftest import ROOT, users_environment

# What `flows.serve` takes to import and to register on most machines; on one that is slower the cron is moved.
_SECONDS_TO_START = 12
# How often the server looks for schedules, here and not in real life, and what it takes beside.
_SECONDS_BETWEEN_LOOKS = 3
_SECONDS_TO_NOTICE = 10
# A source's minute is none of these, which belong to others.
_FIRST_MINUTE, _LAST_MINUTE = 5, 54


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    """A server that fires schedules, with records of its own: it would fire those of other tests as well."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", str(_SECONDS_BETWEEN_LOOKS))
    with ServerProcess(ui=True) as server:
        server.wait()
        yield server


def next_minute(*, after: int) -> datetime:
    """Return the first full minute that is more than so many seconds away."""
    return (datetime.now(UTC) + timedelta(seconds=after)).replace(second=0, microsecond=0) + timedelta(minutes=1)


def source_due_at(minute: int) -> str:
    """Return a name whose source is synced at a minute of every hour; a minute that no source has gives any."""
    wanted = f"{minute if _FIRST_MINUTE <= minute <= _LAST_MINUTE else _FIRST_MINUTE} * * * *"
    names = (f"issues{number}" for number in count())
    return next(name for name in names if schedule_of(GitHubConfig(name=name, repo="example/engine")) == wanted)


async def move_schedule(server: ServerProcess, deployment: str, cron: str) -> None:
    """Change when a source is synced, as Prefect's UI does."""
    async with PrefectClient(server.api_url) as client:
        found = await client.read_deployment_by_name(f"ingest-source/{deployment}")
        [schedule] = [schedule for schedule in found.schedules if schedule.slug == "incremental"]
        # Prefect drops the parameters of a schedule that is given a cron and nothing else.
        moved = CronSchedule(cron=cron, timezone="UTC")
        await client.update_deployment_schedule(found.id, schedule.id, schedule=moved, parameters=schedule.parameters)


async def ended_run(server: ServerProcess, deployment: str) -> FlowRun:
    """Wait for the first run of a deployment to end."""
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=[deployment]))
    deadline = time.monotonic() + 180
    async with PrefectClient(server.api_url) as client:
        while time.monotonic() < deadline:
            for run in await client.read_flow_runs(deployment_filter=wanted):
                if run.state and run.state.is_final():
                    return run
            await asyncio.sleep(0.5)
    raise AssertionError(f"no run of {deployment} has ended")


def test_a_source_is_synced_when_its_cron_says_so(
    server: ServerProcess, sources: Callable[..., None], database: Database
) -> None:
    due = next_minute(after=_SECONDS_TO_START)
    name = source_due_at(due.minute)
    sources(**{name: "example/engine"})
    with subprocess.Popen(
        [sys.executable, "-m", "flows.serve"],
        cwd=ROOT,
        env={
            **users_environment(),
            "PREFECT_API_URL": server.api_url,
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        },
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stderr
        try:
            said = ""
            while "Stop with Ctrl-C" not in said:
                line = serving.stderr.readline()
                assert line, said
                said += line
            too_late = datetime.now(UTC) + timedelta(seconds=_SECONDS_TO_NOTICE) > due
            if too_late or not _FIRST_MINUTE <= due.minute <= _LAST_MINUTE:
                due = next_minute(after=_SECONDS_TO_NOTICE)
                asyncio.run(move_schedule(server, f"ingest {name}", f"{due.minute} * * * *"))
            run = asyncio.run(ended_run(server, f"ingest {name}"))
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.communicate(timeout=60)

    assert run.auto_scheduled
    assert run.expected_start_time == due
    assert run.start_time
    assert run.start_time >= due - timedelta(seconds=1)
    # What the schedule itself asks for has reached the run.
    assert run.parameters["when_busy"] == "skip"
    assert (run.name, run.state.name) == (f"ingest {name} · 3 new", "Completed")
    assert len(Store(database).document_hashes(name)) == 3
