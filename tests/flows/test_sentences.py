"""Every deployed flow that cannot do its work ends as Failed with a sentence, and logs no traceback."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.deployments.runner import RunnerDeployment

from flows.deploy.deployments import deployments
from flows.prefect.server import ServerProcess
from rag.settings import load_settings

# Each test has a run of every flow.
pytestmark = pytest.mark.timeout(300)
#: What has no default and is in no deployment.
_GIVEN = {
    "name": "issues",
    "question": "How do I back up?",
    "windows": [["2024-01-01T00:00:00Z", "2024-01-08T00:00:00Z"]],
    "backfill_id": "none",
    "batch": uuid4(),
    "texts": 1,
}
# Without a document they have nothing to do, or find that there is nothing to do.
_WORK_WITHOUT_A_SYNC = {"embed", "insights", "maintain", "watch"}
_SOURCES = """
[[github]]
name = "issues"
repo = "example/engine"
[[docs]]
name = "docs"
url = "http://127.0.0.1:1/docs/"
"""


@pytest.fixture
def deployed(settings_in_environment: Path, tmp_path: Path) -> list[RunnerDeployment]:
    """The deployments of two sources that cannot be reached, and of a file of queries."""
    settings_in_environment.write_text(_SOURCES)
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "1", "query": "backup", "gold": ["a"]}\n')
    return asyncio.run(deployments(load_settings().sources, queries))


def run(deployment: RunnerDeployment) -> State[Any]:
    """Run the flow of a deployment with its parameters."""
    module, _, name = str(deployment.entrypoint).rpartition(".")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), name)
    required = deployment._parameter_openapi_schema.required
    parameters = {**{name: _GIVEN[name] for name in required if name in _GIVEN}, **(deployment.parameters or {})}
    return asyncio.run(flow(**parameters, return_state=True))


def told_in_a_sentence(state: State[Any], caplog: pytest.LogCaptureFixture) -> bool:
    said = str(state.message)
    return "\n" not in said and "exception" not in said.lower() and "Traceback" not in caplog.text


def test_runs_without_the_database_are_told_in_a_sentence(
    prefect_server: ServerProcess,
    deployed: list[RunnerDeployment],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAG_DATABASE_URL", "postgresql://someone@127.0.0.1:1/nowhere")
    for deployment in deployed:
        caplog.clear()
        state = run(deployment)
        assert state.is_failed(), deployment.name
        assert "Postgres cannot be reached" in str(state.message), deployment.name
        assert told_in_a_sentence(state, caplog), f"{deployment.name}: {state.message}\n{caplog.text}"


def test_runs_before_the_first_sync_are_told_in_a_sentence(
    prefect_server: ServerProcess,
    quick_embedding: None,
    short_retries: None,
    deployed: list[RunnerDeployment],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAG_GITHUB_API_URL", "http://127.0.0.1:1")
    for deployment in deployed:
        caplog.clear()
        state = run(deployment)
        assert state.is_completed() == (deployment.name in _WORK_WITHOUT_A_SYNC), f"{deployment.name}: {state.message}"
        assert told_in_a_sentence(state, caplog), f"{deployment.name}: {state.message}\n{caplog.text}"
