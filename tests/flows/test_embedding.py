"""A sync has a Dask cluster embed its texts, or embeds them itself if no worker does.

Workers of a pool load the local model: see test_workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.demo.site import HandbookSite
from flows.embedding import embedding_workers
from flows.engine import in_thread, shared_engine
from flows.ingest import main, run_ingest
from flows.prefect.run_records import capture_warnings
from flows.prefect.server import ServerProcess
from rag.ingest.report import SyncReport
from tests.flows.handbook import write_handbook
from tests.flows.pool import Registered
from tests.flows.prefect_records import runs_of

pytestmark = pytest.mark.usefixtures("quick_embedding")


@pytest.fixture
def site(settings_in_environment: Path, tmp_path: Path) -> Iterator[None]:
    """A handbook as the only source."""
    with HandbookSite(write_handbook(tmp_path / "handbook")) as served:
        settings_in_environment.write_text(f'[[docs]]\nname = "handbook"\nurl = "{served.url}"\n')
        yield


def test_a_dask_cluster_embeds(site: None, prefect_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_RUN_ON", "dask")

    [report] = asyncio.run(run_ingest(["handbook"]))

    assert (report.state, report.added, report.embedded) == ("completed", 2, report.chunks_added)


def test_a_sync_embeds_batches_that_no_worker_took_and_warns(site: None, registered: Registered) -> None:
    @flow
    async def sync() -> SyncReport:
        with shared_engine() as engine:
            async with embedding_workers("workers", patience=timedelta(seconds=1)) as workers:
                return await in_thread(lambda: engine.syncs.sync("handbook", embedding_workers=workers))

    with capture_warnings() as warnings:
        report = asyncio.run(sync())

    assert (report.state, report.embedded) == ("completed", report.chunks_added)
    # A busy machine writes the list of contents, which is one text, before it has read the other pages.
    unclaimed = {
        f"No worker has begun “embed {texts} texts” within 0:00:01. This process embeds the remaining texts."
        for texts in (report.embedded, report.embedded - 1)
    }
    assert unclaimed.intersection(warnings)
    assert "Cancelled" in [run.state_name for run in runs_of("embed-batch")]


def test_workers_without_a_configured_server_print_one_line(
    site: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAG_RUN_ON", "workers")

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert main(["handbook"]) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: RAG_RUN_ON is workers: set PREFECT_API_URL")
