"""The triage flow against GitHub on loopback: a report, and one comment where that is switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.ingest import run_ingest
from flows.prefect.server import ServerProcess
from flows.triage import main, triage
from rag.engine import Engine
from rag.triage.commenting.plan import MARKER
from tests.flows.prefect_records import artifact
from tests.integration.triage.conftest import history
from tests.servers.github_comments import CommentableGitHubServer


@pytest.fixture
def github() -> Iterator[CommentableGitHubServer]:
    with CommentableGitHubServer(history()) as server:
        yield server


def test_a_run_reports_and_comments_on_what_was_opened_since_it_was_switched_on(
    prefect_server: ServerProcess,
    settings_in_environment: Path,
    github: CommentableGitHubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_in_environment.write_text('[[github]]\nname = "it"\nrepo = "o/r"\ninclude = ["issues"]\n')
    monkeypatch.setenv("RAG_GITHUB_API_URL", github.api_url)
    monkeypatch.setenv("RAG_TRIAGE_PRECISION", "0.5")

    def opened(title: str, body: str) -> int:
        number = github.add_issue(title, body, user="ann")
        asyncio.run(run_ingest(["it"]))
        return number

    def run(**parameters: bool) -> list[tuple[int, str]]:
        report: dict[str, Any] = asyncio.run(triage("it", **parameters))
        return [(one["number"], one["what"]) for one in report["done"]]

    before = opened("scheduler crashes with a null pointer", "NullPointerException in scheduler")
    assert run() == [], "comments are off"
    assert "Comments are off" in artifact("triage-it").data
    assert run(dry_run=True) == [(before, "posted")], "which needs no token"
    assert github.written() == []
    assert f"#{before}" in artifact("triage-it").data
    assert "A dry run: nothing is written." in artifact("triage-it").data

    monkeypatch.setenv("RAG_TRIAGE_COMMENTS", "true")
    assert "RAG_TRIAGE_TOKEN" in str(asyncio.run(triage("it", return_state=True)).message)
    monkeypatch.setenv("RAG_TRIAGE_TOKEN", "writes")
    assert run() == [], "it was opened before comments were switched on"
    assert "Comments are on for issues opened since 20" in artifact("triage-it").data
    after = opened("exporter crashes with a null pointer", "NullPointerException in exporter")
    assert run() == [(after, "posted")]
    assert run() == [(after, "unchanged")]
    (body,) = github.bodies(after)
    assert body.startswith(MARKER)
    assert github.written() == [("POST", f"/repos/o/r/issues/{after}/comments")]
    with Engine.open() as engine:
        assert engine.store.triage.comments("it")[after].body == body


def test_a_run_before_the_first_sync_fails_with_a_sentence(
    prefect_server: ServerProcess,
    settings_in_environment: Path,
    github: CommentableGitHubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_in_environment.write_text('[[github]]\nname = "it"\nrepo = "o/r"\n')
    monkeypatch.setenv("RAG_GITHUB_API_URL", github.api_url)

    state = asyncio.run(triage("it", return_state=True))

    assert state.is_failed()
    assert str(state.message).startswith("'it' is not a GitHub source with ingested issues")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["docs"], "'docs' is not a GitHub source of"),
        (["it", "--days", "0"], "--days is 0; it must be at least 1"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: list[str],
    sentence: str,
    settings_in_environment: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_in_environment.write_text('[[github]]\nname = "it"\nrepo = "o/r"\n')
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err
