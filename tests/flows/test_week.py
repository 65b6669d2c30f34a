"""A simulated week: forty scheduled runs over sources that fail at times."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from prefect.client.schemas.objects import State

from flows.ingest import ingest_source
from flows.maintain import watch
from flows.prefect.server import ServerProcess
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import flow_run
from tests.processes import ROOT
from tests.servers.chat import Chat
from tests.servers.docs_site import DocsSite, html
from tests.servers.github import FAULTS, FaultyGitHubServer, load_export

pytestmark = [
    pytest.mark.skipif("SIMULATED_WEEK" not in os.environ, reason="SIMULATED_WEEK is not set: it takes minutes"),
    pytest.mark.usefixtures("short_retries"),
]

_TURNS = 14
_HOURS_A_TURN = 12
#: turns in which the docs site is down, long enough for an alert
_DOWN = range(4, 11)


@pytest.fixture
def chat(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> Chat:
    monkeypatch.setenv("RAG_ALERT_FAILURES", "100")  # so that only outdated sources send alerts
    return chat


async def twice_at_once(name: str, full: bool) -> list[State[object]]:
    """Start two runs of a source at the same time, by a person and by a schedule."""
    first = asyncio.ensure_future(ingest_source(name, full=full, when_busy="wait", return_state=True))
    second = asyncio.ensure_future(ingest_source(name, when_busy="skip", return_state=True))
    return list(await asyncio.gather(first, second))


def pass_time(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(
            "UPDATE sources SET last_success = last_success - make_interval(hours => %(hours)s), "
            "added_at = added_at - make_interval(hours => %(hours)s)",
            {"hours": _HOURS_A_TURN},
        )


@pytest.mark.timeout(900)
def test_a_week_of_runs_loses_no_document_and_hides_no_failure(
    prefect_server: ServerProcess,
    settings_in_environment: Path,
    database: Database,
    chat: Chat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(7)
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    github = FaultyGitHubServer(
        {"full_name": "example/engine", "issues": export["issues"][:6]}, rates=dict.fromkeys(FAULTS, 0.02), seed=7
    )
    states: list[State[object]] = []
    with github, DocsSite() as site:
        monkeypatch.setenv("RAG_GITHUB_API_URL", github.api_url)
        settings_in_environment.write_text(
            f'[[docs]]\nname = "site"\nurl = "{site.url("/docs/")}"\n\n'
            f'[[github]]\nname = "issues"\nrepo = "example/engine"\ninclude = ["issues"]\n'
        )
        pages = ["start"]
        for turn in range(_TURNS):
            github.add_comment(github.add_issue(f"Issue of turn {turn}", "Why?"), "Because.")
            if turn % 3 == 2:
                github.delete_issue(max(github.numbers) - 1)
            pages.append(f"page{turn}.html")
            site.put(
                "/docs/",
                html("Start", links=pages[1:]) if turn not in _DOWN else "",
                status=200 if turn not in _DOWN else 403,
            )
            site.put(f"/docs/{pages[-1]}", html(f"Page {turn}"))
            names = ["issues", "site"] if turn % 2 else ["site", "issues"]
            for name in names:
                if chance.random() < 0.45:
                    states += asyncio.run(twice_at_once(name, full=turn % 7 == 6))
                else:
                    states.append(asyncio.run(ingest_source(name, when_busy="skip", return_state=True)))
            asyncio.run(watch(return_state=True))
            pass_time(database)
        for name in ("issues", "site"):
            states.append(asyncio.run(ingest_source(name, full=True, return_state=True)))

    runs = [flow_run(state.state_details.flow_run_id) for state in states]
    ended = Counter(run.state.name for run in runs)
    assert len(runs) >= 40, ended
    assert set(ended) <= {"Completed", "Failed", "Skipped"}, ended
    # Every document is indexed.
    kept = Store(database).documents.hashes("issues")
    assert {int(name.rpartition(":")[2].rpartition("/")[2]) for name in kept} == github.numbers
    assert len(Store(database).documents.hashes("site")) == len(pages)
    # A failed run has the state, the name and a message of a failure.
    failed = [run for run in runs if run.state.name == "Failed"]
    assert len([run for run in failed if run.parameters["name"] == "site"]) >= len(_DOWN)
    assert all("failed" in run.name and run.state.message for run in failed)
    # Two runs never sync a source at the same time.
    assert ended["Skipped"] >= 1
    assert sum(github.injected.values()) > 10, "faults were injected"
    # The long outage of the site sent one alert.
    [text] = chat.texts
    assert text.startswith("support-engine: site has not synced successfully for ")
