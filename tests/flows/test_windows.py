"""Other processes read the windows of a backfill and return their outcomes; see also test_workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from prefect import flow, runtime
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.backfill import backfill, main
from flows.prefect.server import ServerProcess
from flows.prefect.workers import read_result, store_result
from flows.windows import WindowRead, WindowReads, backfill_window, backfill_windows
from rag.ingest.report import Failure, SyncReport
from rag.sources.windows import Window
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.processes import ROOT
from tests.servers.github import GitHubServer, load_export

Sources = Callable[..., None]

pytestmark = pytest.mark.usefixtures("quick_embedding")


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    with GitHubServer({"full_name": "example/engine", "issues": export["issues"][:8]}) as server:
        yield server


def test_a_worker_s_result_arrives_unchanged(prefect_server: ServerProcess) -> None:
    """Even if machines share no files, and if the text contains a separator of table cells."""
    window = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, 6, 30, tzinfo=UTC))
    error = Failure("https://api.github.com/x", "failed: HTTP 500: read before: 3")
    report = SyncReport(
        "issues", "github", "failed", seen=3, added=1, updated=2, deleted=4, chunks_deleted=5, seconds=0.123456,
        errors=(error,),
    )  # fmt: skip
    reads = WindowReads(reads=[WindowRead(window=window, state="failed", report=report, problem=error.error)])

    @flow
    async def worker() -> UUID:
        await store_result(reads)
        return UUID(runtime.flow_run.id)

    async def sent() -> WindowReads | None:
        return await read_result(await worker(), WindowReads)

    assert asyncio.run(sent()) == reads


def test_an_interrupted_run_has_no_result(prefect_server: ServerProcess) -> None:
    assert asyncio.run(read_result(uuid4(), WindowReads)) is None


def test_a_failed_window_keeps_its_report_and_its_reason(
    prefect_server: ServerProcess, sources: Sources, github: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources(issues="example/engine")
    github.tokens = ("another",)
    monkeypatch.setenv("GITHUB_TOKEN", "refused")
    monkeypatch.setattr(backfill_window, "retry_delay_seconds", [0.01, 0.01, 0.01])
    span = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))

    async def ended() -> WindowReads | None:
        state = await backfill_windows("issues", [span], "a backfill", return_state=True)
        assert state.is_failed()
        return await read_result(state.state_details.flow_run_id, WindowReads)

    result = asyncio.run(ended())

    assert result
    [read] = result.reads
    assert (read.window, read.state) == (Window(*span), "failed")
    assert "GITHUB_TOKEN" in read.problem


def test_a_dask_cluster_reads_the_windows(
    prefect_server: ServerProcess,
    sources: Sources,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cluster is running already; one of the sync's own is tested with the embedding of texts."""
    from distributed import LocalCluster  # takes a second to import

    sources(issues="example/engine")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        monkeypatch.setenv("RAG_RUN_ON", f"dask:{cluster.scheduler_address}")
        state = asyncio.run(backfill("issues", end=date(2026, 4, 27), window=7, return_state=True))

    report = asyncio.run(state.aresult(raise_on_failure=False))
    assert (report.state, report.added) == ("completed", 8)
    assert report.embedded == report.chunks_added > 0
    assert len(Store(database).documents.hashes("issues")) == 8


def test_workers_without_a_configured_server_print_one_line(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources(issues="example/engine")
    monkeypatch.setenv("RAG_RUN_ON", "workers")

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert main(["issues"]) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: RAG_RUN_ON is workers: set PREFECT_API_URL")
