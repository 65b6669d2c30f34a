"""A schedule fires: Prefect's own scheduler starts a run of a source when its cron says so, and nobody else does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.schedules import schedule_of
from flows.server import ServerProcess
from rag.database import Database
from rag.settings import GitHubConfig
from rag.store import Store
from tests.flows.conftest import ROOT, users_environment

# What `flows.serve` takes to import and to register, at the most.
_SECONDS_TO_START = 20
# A source's minute is none of these, which belong to others.
_FIRST_MINUTE, _LAST_MINUTE = 5, 54


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    """A server that fires schedules, with records of its own: it would fire those of other tests as well."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    with ServerProcess(ui=True) as server:
        server.wait()
        yield server


def source_due_at(minute: int) -> str:
    """Return a name whose source is synced at a minute of every hour."""
    wanted = f"{minute} * * * *"
    names = (f"issues{number}" for number in count())
    return next(name for name in names if schedule_of(GitHubConfig(name=name, repo="example/engine")) == wanted)


def ask(server: ServerProcess, path: str, body: object) -> Any:
    return httpx.post(f"{server.api_url}/{path}", json=body).raise_for_status().json()


def set_cron(server: ServerProcess, name: str, cron: str) -> None:
    """Change when a source is synced, as Prefect's UI does."""
    [deployment] = ask(server, "deployments/filter", {"deployments": {"name": {"any_": [f"ingest {name}"]}}})
    [schedule] = [schedule for schedule in deployment["schedules"] if schedule["slug"] == "incremental"]
    httpx.patch(
        f"{server.api_url}/deployments/{deployment['id']}/schedules/{schedule['id']}",
        json={"schedule": {"cron": cron, "timezone": "UTC"}},
    ).raise_for_status()


def test_a_source_is_synced_when_its_cron_says_so(
    server: ServerProcess, sources: Callable[..., None], database: Database
) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=_SECONDS_TO_START)).replace(second=0, microsecond=0)
    due += timedelta(minutes=1)
    has_sources = _FIRST_MINUTE <= due.minute <= _LAST_MINUTE
    name = source_due_at(due.minute if has_sources else 30)
    sources(**{name: "example/engine"})
    with subprocess.Popen(
        [sys.executable, "-m", "flows.serve"],
        cwd=ROOT,
        env={
            **users_environment(),
            "PREFECT_API_URL": server.api_url,
            # Every ten and five seconds otherwise, and Prefect looks a minute ahead of a schedule anyway.
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
            if not has_sources:
                set_cron(server, name, f"{due.minute} * * * *")
            run = ended_run(server, f"ingest {name}")
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.communicate(timeout=60)

    assert run["auto_scheduled"]
    assert datetime.fromisoformat(run["expected_start_time"]) == due
    assert datetime.fromisoformat(run["start_time"]) >= due
    # What the schedule itself asks for has reached the run.
    assert run["parameters"]["when_busy"] == "skip"
    assert (run["name"], run["state"]["name"]) == (f"ingest {name} · 3 new", "Completed")
    assert len(Store(database).document_hashes(name)) == 3


def ended_run(server: ServerProcess, deployment: str) -> dict[str, Any]:
    """The first run of a deployment that ends."""
    wanted = {
        "deployments": {"name": {"any_": [deployment]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}},
    }
    deadline = time.monotonic() + 180
    while not (found := ask(server, "flow_runs/filter", wanted)):
        assert time.monotonic() < deadline, f"no run of {deployment} has ended"
        time.sleep(0.5)
    run: dict[str, Any] = found[0]
    return run
