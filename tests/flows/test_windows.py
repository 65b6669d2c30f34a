"""A backfill whose windows others read: workers of a Prefect work pool, and a Dask cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.backfill import backfill
from flows.sample.github_server import GitHubServer, load_export
from flows.server import ServerProcess
from rag.database import Database
from rag.models import SyncReport
from rag.store import Store
from tests.flows.conftest import ROOT, Command
from tests.flows.test_deployments import clear, prefect

Sources = Callable[..., None]


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    export = load_export(ROOT / "flows" / "sample" / "github.json")
    with GitHubServer({"full_name": "example/engine", "issues": export["issues"][:8]}) as server:
        yield server


@pytest.fixture
def worker(
    prefect_server: ServerProcess, sources: Sources, command: Command, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the pool, with the deployments registered."""
    sources(issues="example/engine")
    clear()
    written = command("flows.deployments", "--output", str(tmp_path / "prefect.yaml"))
    assert written.returncode == 0, written.stderr
    prefect(prefect_server, "work-pool", "create", "--type", "process", "--overwrite", "support-engine")
    prefect(prefect_server, "--no-prompt", "deploy", "--all", "--prefect-file", str(tmp_path / "prefect.yaml"))
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "support-engine", "--limit", "1"],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": prefect_server.api_url, "PREFECT_WORKER_QUERY_SECONDS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.terminate()
    process.wait(timeout=60)
    clear()


def ran() -> SyncReport:
    state = asyncio.run(backfill("issues", window=14, return_state=True))
    result = asyncio.run(state.aresult(raise_on_failure=False))
    assert isinstance(result, SyncReport), result
    return result


def test_workers_of_a_pool_read_the_windows(
    worker: subprocess.Popen[bytes], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_BACKFILL_ON", "workers")

    report = ran()

    assert (report.state, report.added) == ("completed", 8)
    assert report.embedded == report.chunks_added > 0
    assert len(Store(database).document_hashes("issues")) == 8


def test_a_dask_cluster_reads_the_windows(
    prefect_server: ServerProcess, sources: Sources, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources(issues="example/engine")
    monkeypatch.setenv("RAG_BACKFILL_ON", "dask")

    report = ran()

    assert (report.state, report.added) == ("completed", 8)
    assert len(Store(database).document_hashes("issues")) == 8


def test_workers_that_nobody_could_be_are_one_line(sources: Sources, command: Command) -> None:
    sources(issues="example/engine")

    done = command("flows.backfill", "issues", RAG_BACKFILL_ON="workers")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: RAG_BACKFILL_ON is workers: set PREFECT_API_URL")
