"""Workers of a Prefect work pool embed the texts of a sync and read the windows of a backfill.

The tests share one project and its first worker, because a worker and each of its runs are processes that import
Prefect.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from flows.backfill import backfill
from flows.demo.site import HandbookSite
from flows.ingest import run_ingest
from rag.ingest.report import SyncReport
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.databases import Databases
from tests.flows.handbook import write_handbook
from tests.flows.pool import Registered
from tests.flows.prefect_records import runs_of
from tests.processes import ROOT, running, wait_for
from tests.servers.github import GitHubServer, load_export

# Seven processes that import Prefect start one after another, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(600)

Start = Callable[[], subprocess.Popen[str]]


@dataclass(frozen=True)
class Project:
    """A docs site and a repository as sources, and an index; the environment names them."""

    github: GitHubServer
    dsn: str


@pytest.fixture(scope="module")
def project(databases: Databases, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    with (
        databases.lend() as dsn,
        HandbookSite(write_handbook(folder / "handbook")) as site,
        GitHubServer({"full_name": "example/engine", "issues": export["issues"][:8]}) as github,
        pytest.MonkeyPatch.context() as environment,
    ):
        (folder / "sources.toml").write_text(
            f'[[docs]]\nname = "handbook"\nurl = "{site.url}"\n\n'
            f'[[github]]\nname = "issues"\nrepo = "{github.full_name}"\ninclude = ["issues"]\n'
        )
        environment.chdir(folder)
        environment.setenv("RAG_HOME", str(home))
        environment.setenv("RAG_DATABASE_URL", dsn)
        environment.setenv("RAG_SOURCES", str(folder / "sources.toml"))
        environment.setenv("RAG_GITHUB_API_URL", github.api_url)
        yield Project(github, dsn)


@pytest.fixture(scope="module")
def start_worker(registered: Registered, project: Project) -> Iterator[Start]:
    """Start a worker of the pool in another process."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            running(
                *("prefect", "worker", "start", "--pool", "support-engine", "--limit", "1"),
                environment={**os.environ, "PREFECT_WORKER_QUERY_SECONDS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )


@pytest.fixture(scope="module")
def first_worker(start_worker: Start) -> subprocess.Popen[str]:
    return start_worker()


@pytest.fixture(autouse=True)
def on_workers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_RUN_ON", "workers")


def test_workers_embed_the_texts_of_a_sync(first_worker: subprocess.Popen[str]) -> None:
    [report] = asyncio.run(run_ingest(["handbook"]))

    assert (report.state, report.added, report.embedded) == ("completed", 2, report.chunks_added)
    names = [run.name for run in runs_of("embed-batch") if run.state_name == "Completed"]
    texts = [int(found[1]) for name in names if (found := re.fullmatch(r"embed (\d+) texts · \1 new", name))]
    # On a slow machine the list of contents is a batch of its own, which is too small for workers.
    assert len(texts) == len(names) >= 1
    assert report.embedded / 2 < sum(texts) <= report.embedded


def test_workers_read_the_windows_of_a_backfill_even_if_one_is_killed(
    project: Project, first_worker: subprocess.Popen[str], start_worker: Start
) -> None:
    def replace_worker() -> None:
        wait_for(lambda: len(project.github.requests) >= 6, seconds=240, else_show=lambda: str(project.github.requests))
        first_worker.kill()  # the run's process lives on, and no process reads its output
        start_worker()

    killing = threading.Thread(target=replace_worker, daemon=True)
    killing.start()
    report = asyncio.run(backfilled())
    killing.join()

    assert report.state == "completed"
    assert report.requests > 0, "the counts of the workers arrive"
    with Database(project.dsn, embedded=True) as database:
        assert len(Store(database).documents.hashes("issues")) == 8


async def backfilled() -> SyncReport:
    state = await backfill("issues", end=date(2026, 7, 1), window=7, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    assert isinstance(result, SyncReport), result
    return result
