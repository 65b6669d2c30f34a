from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from flows.backfill import backfill, finish, main
from flows.prefect.limits import WINDOWS_LIMIT
from flows.prefect.server import ServerProcess
from flows.windows import backfill_window
from rag.ingest.report import SyncReport
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import artifact
from tests.processes import ROOT
from tests.servers.github import GitHubServer, Request, Response, load_export

Sources = Callable[..., None]
pytestmark = pytest.mark.usefixtures("quick_embedding")
#: The issues were opened between 3 February and 17 March; without an end, there would be more windows every week.
TWELVE_WINDOWS = {"end": date(2026, 4, 27), "window": 7}


class Refusing(GitHubServer):
    """Replies 403, a permanent error, from the request number `refuses_from` on."""

    refuses_from = 10**9

    def answer(self, request: Request) -> Response:
        self.request_count = getattr(self, "request_count", 0) + 1
        if self.request_count >= self.refuses_from:
            return Response(403, {"message": "Resource not accessible by this token"})
        return super().answer(request)


@pytest.fixture
def github() -> Iterator[Refusing]:
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    with Refusing({"full_name": "example/engine", "issues": export["issues"][:8]}) as server:
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (backfill_window, finish):
        monkeypatch.setattr(task, "retry_delay_seconds", [0.01, 0.01, 0.01])
        monkeypatch.setattr(task, "retry_jitter_factor", None)


def run_backfill(**span: Any) -> SyncReport:
    state = asyncio.run(backfill("issues", return_state=True, **span))
    result = asyncio.run(state.aresult(raise_on_failure=False))
    assert isinstance(result, SyncReport)
    return result


def windows() -> dict[str, int]:
    """The number of windows in each state of the newest table."""
    data = artifact("backfill-issues").data
    rows = json.loads(data) if isinstance(data, str) else data
    states = [str(row["state"]).partition(":")[0] for row in rows]
    return {state: states.count(state) for state in sorted(set(states))}


def test_a_backfill_reads_every_window_and_shows_them_in_a_table(
    prefect_server: ServerProcess, sources: Sources, database: Database, github: Refusing
) -> None:
    sources(issues="example/engine")

    report = run_backfill(**TWELVE_WINDOWS)

    assert (report.state, report.added, report.chunks_added > 0) == ("completed", 8, True)
    assert windows() == {"read": 12}
    assert len(Store(database).documents.hashes("issues")) == 8
    assert report.requests == github.request_count - 1  # one request made the plan


def test_an_interrupted_backfill_resumes_where_it_stopped(
    prefect_server: ServerProcess, sources: Sources, database: Database, github: Refusing
) -> None:
    sources(issues="example/engine")
    github.refuses_from = 12  # a window costs two requests
    first = run_backfill(**TWELVE_WINDOWS)
    shown = windows()
    assert first.state == "failed"
    assert "not accessible" in first.errors[0].error
    assert shown["read"] >= 4
    assert shown["waiting"] > 0

    github.refuses_from = 10**9
    second = run_backfill(**TWELVE_WINDOWS)

    assert second.state == "completed"
    assert windows()["read before"] == shown["read"]
    assert len(Store(database).documents.hashes("issues")) == 8

    again = run_backfill(**TWELVE_WINDOWS)
    assert "read before" not in windows(), "a repeated backfill reads every window again"
    assert again.added == 0


def test_the_command_reads_a_span_and_prints_one_object(
    prefect_server: ServerProcess, sources: Sources, capfd: pytest.CaptureFixture[str]
) -> None:
    sources(issues="example/engine")

    assert main(["issues", "--start", str(date(2020, 1, 1)), "--window", "3000", "--json"]) == 0

    report = json.loads(capfd.readouterr().out)
    assert (report["name"], report["state"], report["documents"]["added"]) == ("issues", "completed", 8)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "No source is called 'nothing'"),
        (["issues", "--start", "2030-01-01"], "issues: the span from"),
        (["issues", "--window", "0"], "--window must be a number of days"),
        (["issues", "--start", "yesterday"], "--start"),
    ],
)
def test_bad_input_prints_one_line(
    prefect_server: ServerProcess,
    sources: Sources,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sources(issues="example/engine")
    with suppress(SystemExit):  # errors that argparse finds
        assert main(arguments) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_windows_are_read_under_a_global_concurrency_limit(prefect_server: ServerProcess, sources: Sources) -> None:
    from prefect.client.orchestration import get_client

    sources(issues="example/engine")
    run_backfill(window=3000)

    async def limit() -> tuple[int, int]:
        async with get_client() as client:
            found = await client.read_global_concurrency_limit_by_name(WINDOWS_LIMIT)
            return found.limit, found.active_slots

    assert asyncio.run(limit()) == (8, 0)
