"""The limit of concurrent requests to a docs host, which all runs share."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectNotFound

from flows.engine import reporting_to
from flows.ingest import ingest_source, run_ingest
from flows.prefect.abandoned import known_reader
from flows.prefect.limits import WINDOWS_LIMIT, asking, free_slots, host_limit
from flows.prefect.server import ServerProcess
from flows.prefect.slots import holding
from rag.errors import SourceError
from rag.ingest.report import SyncReport
from rag.settings import DocsConfig
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import flow_run
from tests.processes import read_until, running
from tests.servers.docs_site import DocsSite, html

_PAGES = 12


@pytest.fixture
def site(settings_in_environment: Path) -> Iterator[DocsSite]:
    """A site with two handbooks, each a source; a page takes 50 ms."""
    with DocsSite() as site:
        for book in ("old", "new"):
            names = [f"{number}.html" for number in range(_PAGES)]
            site.put(f"/{book}/", html(book, links=names))
            for name in names:
                site.put(f"/{book}/{name}", html(f"{book} {name}"), wait=0.05)
        settings_in_environment.write_text(
            "".join(f'[[docs]]\nname = "{book}"\nurl = "{site.url(f"/{book}/")}"\n\n' for book in ("old", "new"))
        )
        yield site


@pytest.fixture
def limit(prefect_server: ServerProcess, site: DocsSite) -> str:
    return host_limit(DocsConfig(name="old", url=site.url("/old/")))


def read_limit(name: str) -> GlobalConcurrencyLimitResponse:
    async def read() -> GlobalConcurrencyLimitResponse:
        async with get_client() as client:
            return await client.read_global_concurrency_limit_by_name(name)

    return asyncio.run(read())


def set_limit(name: str, slots: int) -> None:
    async def write() -> None:
        async with get_client() as client:
            try:
                await client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(limit=slots))
            except ObjectNotFound:
                await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))

    asyncio.run(write())


def test_the_limit_of_a_host_is_named_by_its_address_without_a_password() -> None:
    config = DocsConfig(name="docs", url="https://me:secret@Docs.example.org:8443/guide/")

    assert host_limit(config) == "host-docs.example.org:8443"


def test_a_host_gets_a_limit_that_is_released_after_the_run(site: DocsSite, limit: str, database: Database) -> None:
    state = asyncio.run(ingest_source("old", return_state=True))

    assert state.is_completed()
    assert (read_limit(limit).limit, read_limit(limit).active_slots) == (8, 0)


def test_sources_on_one_host_share_its_limit(site: DocsSite, limit: str, database: Database) -> None:
    set_limit(limit, 3)

    reports = asyncio.run(run_ingest(["old", "new"]))

    assert [report.added for report in reports] == [_PAGES + 1] * 2
    assert 1 < site.busiest <= 3


def test_sources_on_one_host_share_its_limit_across_processes(site: DocsSite, limit: str, database: Database) -> None:
    """This process reads a source of the host while a command in another process wants to read one."""

    def wait_in_another_process(command: subprocess.Popen[str]) -> int:
        read_until(command, f"Another source of {limit.removeprefix('host-')} is being read. Waiting.")
        return len(site.requests)

    async def hold() -> int:
        other = DocsConfig(name="other", url=site.url("/other/"))
        async with known_reader(other), asking(other):
            return await asyncio.to_thread(wait_in_another_process, command)

    with running("flows.ingest", "old", environment=os.environ, stdout=PIPE, stderr=PIPE) as command:
        requests_while_waiting = asyncio.run(hold())
        said, _ = command.communicate(timeout=120)

    assert requests_while_waiting == 0
    assert f"{_PAGES + 1} new" in said


def test_a_run_that_waits_for_a_host_reports_it(site: DocsSite, limit: str, database: Database) -> None:
    reported: list[SyncReport | str] = []

    async def hold_and_ingest() -> State[Any]:
        other = DocsConfig(name="other", url=site.url("/other/"))
        async with known_reader(other), asking(other):
            with reporting_to(lambda _name, news: reported.append(news)):
                waiting = asyncio.ensure_future(ingest_source("old", return_state=True))
                while not reported:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            asked = len(site.requests)
        assert asked == 0
        return await waiting

    state = asyncio.run(hold_and_ingest())

    assert reported[0] == f"Another source of {limit.removeprefix('host-')} is being read. Waiting."
    assert flow_run(state.state_details.flow_run_id).name == f"ingest old · {_PAGES + 1} new"


def test_a_run_that_skips_busy_sources_does_not_wait_for_its_host(
    site: DocsSite, limit: str, database: Database
) -> None:
    Store(database).sources.register("old", "docs")

    async def skipped() -> str:
        other = DocsConfig(name="other", url=site.url("/other/"))
        async with known_reader(other), asking(other):
            state = await ingest_source("old", when_busy="skip", return_state=True)
            return str(state.name)

    with Store(database).sources.locked("old"):
        assert asyncio.run(skipped()) == "Skipped"


def test_waiting_too_long_for_a_host_is_an_error_with_a_remedy(site: DocsSite, limit: str) -> None:
    @flow
    async def crawl(name: str) -> None:
        config = DocsConfig(name=name, url=site.url(f"/{name}/"))
        async with asking(config, longest_wait=timedelta(seconds=1)):
            if name == "other":
                await crawl("old")

    with pytest.raises(SourceError, match=f"set the active slots of Prefect's concurrency limit {limit} to 0."):
        asyncio.run(crawl("other"))


def test_slots_are_handed_on_one_holder_at_a_time_without_a_word_in_the_log(
    site: DocsSite, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[int] = []
    holders: list[int] = []

    async def wait_for_it() -> None:
        pass

    async def take_turn(number: int) -> None:
        async with holding(limit, 8, lease_seconds=60, longest_wait=60, waiting=wait_for_it):
            holders.append(number)
            await asyncio.sleep(0.01)
            turns.append(holders.pop())
            assert not holders

    async def all_turns() -> float:
        async with asyncio.TaskGroup() as group:
            for number in range(16):
                group.create_task(take_turn(number))
        async with get_client() as client:
            found = await client.read_global_concurrency_limit_by_name(limit)
        return found.active_slots

    set_limit(limit, 8)
    assert asyncio.run(all_turns()) == 0

    assert sorted(turns) == list(range(16))
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_a_run_that_is_cancelled_while_it_waits_leaves_no_slot_taken(site: DocsSite, limit: str) -> None:
    async def wait_for_it() -> None:
        pass

    async def cancelled() -> float:
        async with holding(limit, 8, lease_seconds=60, longest_wait=60, waiting=wait_for_it):
            others = [asyncio.ensure_future(hold()) for _ in range(3)]
            await asyncio.sleep(0)
            others[0].cancel()
        await asyncio.gather(*others, return_exceptions=True)
        async with get_client() as client:
            return (await client.read_global_concurrency_limit_by_name(limit)).active_slots

    async def hold() -> None:
        async with holding(limit, 8, lease_seconds=60, longest_wait=60, waiting=wait_for_it):
            pass

    set_limit(limit, 8)
    assert asyncio.run(cancelled()) == 0


def test_slots_of_a_killed_run_are_released(site: DocsSite, limit: str) -> None:
    """A temporary server serves one command, so no other run holds slots on it."""
    for name in (limit, WINDOWS_LIMIT, "another-program"):
        set_limit(name, 8)

    async def die_holding() -> None:
        async with concurrency([limit, WINDOWS_LIMIT, "another-program"], occupy=8):
            await free_slots()
            for name, left in ((limit, 0), (WINDOWS_LIMIT, 0), ("another-program", 8)):
                async with get_client() as client:
                    found = await client.read_global_concurrency_limit_by_name(name)
                    assert (name, found.active_slots) == (name, left)

    asyncio.run(die_holding())
