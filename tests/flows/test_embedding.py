"""Other processes embed the texts of a sync: workers of a Prefect work pool, or a Dask cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun

from flows.demo.site import HandbookSite
from flows.embedding import embedding_workers
from flows.engine import in_thread, shared_engine
from flows.ingest import run_ingest
from flows.prefect.run_records import capture_warnings
from flows.prefect.server import ServerProcess
from rag.ingest.report import SyncReport
from tests.flows.conftest import Command

PAGES, PARTS = 25, 10
CHUNKS = PAGES * PARTS


@pytest.fixture
def site(settings_in_environment: Path, tmp_path: Path) -> Iterator[None]:
    """A docs site of 250 chunks as the only source."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    for page in range(PAGES):
        parts = (f"## Part {n}\n\n" + f"Setting {page}.{n} decides what a backup holds. " * 16 for n in range(PARTS))
        (folder / f"page{page:02}.md").write_text(f"# Page {page}\n\n" + "\n\n".join(parts))
    with HandbookSite(folder) as served:
        settings_in_environment.write_text(f'[[docs]]\nname = "handbook"\nurl = "{served.url}"\n')
        yield


def ingest_handbook() -> SyncReport:
    [report] = asyncio.run(run_ingest(["handbook"]))
    return report


async def batches() -> list[FlowRun]:
    async with get_client() as client:
        found: list[FlowRun] = await client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["embed-batch"]))
        )
    return found


def test_workers_of_a_pool_embed(
    site: None, start_worker: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_worker()
    monkeypatch.setenv("RAG_RUN_ON", "workers")

    report = ingest_handbook()

    assert (report.state, report.added, report.embedded) == ("completed", PAGES + 1, report.chunks_added)
    runs = asyncio.run(batches())
    assert [run.state_name for run in runs] == ["Completed"]
    assert runs[0].name == f"embed {CHUNKS} texts · {CHUNKS} new"


def test_a_dask_cluster_embeds(site: None, prefect_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_RUN_ON", "dask")

    report = ingest_handbook()

    assert (report.state, report.added, report.embedded) == ("completed", PAGES + 1, report.chunks_added)


def test_a_sync_embeds_batches_that_no_worker_took_and_warns(site: None, deploy: Callable[[], None]) -> None:
    deploy()

    @flow
    async def sync() -> SyncReport:
        with shared_engine() as engine:
            async with embedding_workers("workers", patience=timedelta(seconds=1)) as workers:
                return await in_thread(lambda: engine.syncs.sync("handbook", embedding_workers=workers))

    with capture_warnings() as warnings:
        report = asyncio.run(sync())

    assert (report.state, report.embedded) == ("completed", report.chunks_added)
    assert "No worker has begun “embed 250 texts” within 0:00:01. This process embeds the remaining texts." in warnings
    assert "Cancelled" in [run.state_name for run in asyncio.run(batches())]


def test_workers_without_a_configured_server_print_one_line(site: None, command: Command) -> None:
    done = command("flows.ingest", RAG_RUN_ON="workers")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: RAG_RUN_ON is workers: set PREFECT_API_URL")
