from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment

from flows.prefect.server import ServerProcess
from flows.schedules import schedule_of
from flows.serve import main
from rag.settings import DocsConfig, GitHubConfig, RepositoryConfig
from tests.flows.conftest import users_environment
from tests.flows.deploy.test_deployments import clear
from tests.flows.prefect_records import table
from tests.processes import read_until, running


def registered() -> dict[str, DeploymentResponse]:
    async def read() -> list[DeploymentResponse]:
        async with get_client() as client:
            return await client.read_deployments()

    return {deployment.name: deployment for deployment in asyncio.run(read())}


@pytest.fixture
def serving(prefect_server: ServerProcess, sources: Callable[..., None]) -> Iterator[subprocess.Popen[str]]:
    """A running `python -m flows.serve` with one source."""
    clear()
    sources(issues="example/engine")
    environment = {**os.environ, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    with running("flows.serve", environment=environment, stderr=subprocess.PIPE) as process:
        read_until(process, "Stop with Ctrl-C")
        yield process


def test_served_deployments_are_registered_run_and_are_paused_at_the_end(serving: subprocess.Popen[str]) -> None:
    deployments = registered()
    ingest, answer = deployments["ingest issues"], deployments["answer"]

    assert {schedule.schedule.cron: schedule.parameters for schedule in ingest.schedules} == {
        schedule_of(GitHubConfig(name="issues", repo="example/engine")): {"when_busy": "skip"},
        "0 0 * * MON": {"full": True},
    }
    assert ingest.tags == ["ingest", "github", "issues"]
    assert ingest.global_concurrency_limit.limit == 1
    assert ingest.concurrency_options.collision_strategy == "ENQUEUE"
    assert ingest.parameters == {"name": "issues", "full": False, "accept_removals": False, "when_busy": "wait"}
    assert answer.schedules == []
    for deployment in (ingest, answer):
        assert deployment.description
        for parameter in deployment.parameter_openapi_schema["properties"].values():
            assert parameter["description"]
            assert "type" in parameter or "anyOf" in parameter

    run = run_deployment("ingest-source/ingest issues", timeout=120, poll_interval=0.2)
    assert run.state.is_completed()
    assert table("ingest-issues")["documents added"] == 3

    serving.send_signal(signal.SIGTERM)
    _, rest = serving.communicate(timeout=60)
    assert serving.returncode == 0
    assert rest.splitlines()[-1].startswith("Stopped.")
    assert "Traceback" not in rest
    assert "Warning" not in rest
    assert registered()["ingest issues"].paused


def test_schedules_of_sources_are_spread_over_time() -> None:
    docs = [schedule_of(DocsConfig(name=f"docs{n}", url="https://example.org/")) for n in range(20)]
    issues = [schedule_of(GitHubConfig(name=f"issues{n}", repo="o/n")) for n in range(20)]

    assert len(set(docs)) > 10
    assert len(set(issues)) > 10
    for cron in docs:
        minute, hour, *rest = cron.split()
        assert 0 < int(minute) < 60
        assert 1 <= int(hour) <= 4
        assert rest == ["*", "*", "*"]
    assert all(cron.endswith(" * * * *") and int(cron.split()[0]) > 0 for cron in issues)


def test_a_repository_is_synced_every_night_at_the_same_time() -> None:
    config = RepositoryConfig(name="handbook", url="https://example.org/handbook.git")

    assert schedule_of(config) == schedule_of(config)
    assert schedule_of(config).endswith(" * * *")


def test_a_missing_sources_file_prints_one_line(
    settings_in_environment: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: There is no sources file at ")


def test_serve_starts_a_prefect_server_if_none_is_configured_and_stops_it_at_the_end(
    sources: Callable[..., None], prefect_home: Path
) -> None:
    sources(issues="example/engine")
    environment = {**users_environment(), "PREFECT_HOME": str(prefect_home)}
    with running("flows.serve", environment=environment, stderr=subprocess.PIPE) as process:
        said = read_until(process, "Stop with Ctrl-C")
        [address] = re.findall(r"^Prefect +(\S+)", said, re.MULTILINE)

        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in rest
    assert not _listens(address)


def _listens(address: str) -> bool:
    import httpx

    time.sleep(0.1)
    try:
        httpx.get(address, timeout=1)
    except httpx.HTTPError:
        return False
    return True
