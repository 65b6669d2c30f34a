"""A backfill whose windows others read: workers of a Prefect work pool, and a Dask cluster."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from flows.backfill import backfill
from flows.demo.github_server import GitHubServer, load_export
from flows.prefect.server import ServerProcess
from rag.models import SyncReport
from rag.store.database import Database
from rag.store.store import Store
from tests.flows.conftest import Command
from tests.processes import ROOT, wait_for

Sources = Callable[..., None]


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    with GitHubServer({"full_name": "example/engine", "issues": export["issues"][:8]}) as server:
        yield server


def ran() -> SyncReport:
    state = asyncio.run(backfill("issues", window=14, return_state=True))
    result = asyncio.run(state.aresult(raise_on_failure=False))
    assert isinstance(result, SyncReport), result
    return result


def test_workers_of_a_pool_read_the_windows(
    sources: Sources, start_worker: Callable[[], object], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources(issues="example/engine")
    start_worker()
    monkeypatch.setenv("RAG_BACKFILL_ON", "workers")

    report = ran()

    assert (report.state, report.added) == ("completed", 8)
    assert report.embedded == report.chunks_added > 0
    assert len(Store(database).document_hashes("issues")) == 8


def test_what_a_killed_worker_had_begun_is_read_by_another(
    sources: Sources,
    start_worker: Callable[[], subprocess.Popen[str]],
    github: GitHubServer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources(issues="example/engine")
    worker = start_worker()
    monkeypatch.setenv("RAG_BACKFILL_ON", "workers")

    def replace_worker() -> None:
        wait_for(lambda: len(github.requests) >= 6, seconds=240, else_show=lambda: str(github.requests))
        worker.kill()  # the process of the run lives on, and nobody reads what it prints
        start_worker()

    killing = threading.Thread(target=replace_worker, daemon=True)
    killing.start()
    report = ran()
    killing.join()

    assert report.state == "completed"
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
