from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.demo.site import HandbookSite
from flows.engine import reporting_to
from flows.ingest import ingest, ingest_source, main, run_ingest
from flows.prefect.server import ServerProcess
from rag.ingest.report import SyncReport
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.conftest import Command
from tests.flows.prefect_records import artifact, flow_run, logs, newest_run, runs_below, table, task_run
from tests.processes import ROOT, running
from tests.servers.docs_site import DocsSite, html
from tests.servers.github import GitHubServer

Sources = Callable[..., None]
pytestmark = pytest.mark.usefixtures("quick_embedding")


def ingested(*names: str) -> State[object]:
    return asyncio.run(ingest(list(names), return_state=True))


def test_an_ingest_creates_a_table_of_its_outcome(prefect_server: ServerProcess, sources: Sources) -> None:
    sources(issues="example/engine")

    [report] = asyncio.run(run_ingest(["issues"]))

    outcome = table("ingest-issues")
    assert report.added == 3
    assert outcome["documents seen"] == outcome["documents added"] == 3
    assert outcome["documents failed"] == 0
    assert outcome["chunks added"] == outcome["embedded"] == report.chunks_added > 0
    assert outcome["requests"] == report.requests > 0


def test_a_second_ingest_changes_nothing(prefect_server: ServerProcess, sources: Sources) -> None:
    sources(issues="example/engine")
    asyncio.run(run_ingest(["issues"]))

    [report] = asyncio.run(run_ingest(["issues"]))

    assert (report.unchanged, report.added, report.updated, report.embedded) == (report.seen, 0, 0, 0)


def test_a_run_is_named_after_its_source_and_completed(prefect_server: ServerProcess, sources: Sources) -> None:
    sources(issues="example/engine")

    state = ingested("issues")

    assert state.is_completed()
    assert list(runs_below(state.state_details.flow_run_id)) == ["ingest issues · 3 new"]


def test_a_run_is_named_after_its_changes(
    prefect_server: ServerProcess, sources: Sources, github: GitHubServer
) -> None:
    sources(issues="example/engine")
    asyncio.run(run_ingest(["issues"]))

    unchanged = asyncio.run(ingest_source("issues", return_state=True))
    github.edit_issue(github.add_issue("Another", "one"), body="edited")
    changed = asyncio.run(ingest_source("issues", return_state=True))

    assert flow_run(unchanged.state_details.flow_run_id).name == "ingest issues · nothing changed"
    assert flow_run(changed.state_details.flow_run_id).name == "ingest issues · 1 new"
    assert changed.message.startswith("1 new (")


def test_a_run_reports_skipped_documents(
    prefect_server: ServerProcess, settings_in_environment: Path, github: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_GITHUB_API_URL", github.api_url)
    settings_in_environment.write_text('[[github]]\nname = "issues"\nrepo = "example/engine"\n')
    left_out = "issues: discussions are skipped, since reading them requires GITHUB_TOKEN"

    state = asyncio.run(ingest_source("issues", return_state=True))

    assert state.is_completed()
    assert left_out in state.message
    assert table("ingest-issues")["warning"] == left_out
    assert left_out in logs(state.state_details.flow_run_id)


def test_failed_pages_are_link_artifacts(prefect_server: ServerProcess, settings_in_environment: Path) -> None:
    with DocsSite() as site:
        site.put("/docs/", html("Start", links=["broken.html"]))
        site.put("/docs/broken.html", status=403)
        broken = site.url("/docs/broken.html")
        settings_in_environment.write_text(f'[[docs]]\nname = "site"\nurl = "{site.url("/docs/")}"\n')
        state = asyncio.run(ingest_source("site", return_state=True))

    assert state.is_failed()
    assert flow_run(state.state_details.flow_run_id).name == "ingest site · 1 new, 1 failed"
    assert artifact("failed-site-1").data == f"[{broken}]({broken})"


def test_a_failing_source_fails_its_own_run_with_a_reason_and_the_others_are_ingested(
    prefect_server: ServerProcess, sources: Sources
) -> None:
    sources(gone="example/nowhere", issues="example/engine")

    state = ingested("gone", "issues")

    runs = runs_below(state.state_details.flow_run_id)
    assert state.is_failed()
    assert state.message == "1 of 2 sources failed: gone."
    assert runs["ingest issues · 3 new"].state.is_completed()
    assert runs["ingest gone · failed"].state.is_failed()
    assert "example/nowhere" in runs["ingest gone · failed"].state.message
    assert table("ingest-issues")["documents added"] == 3
    assert "failed: example/nowhere" in table("ingest-gone")


def test_permanent_errors_are_not_retried(prefect_server: ServerProcess, sources: Sources, short_retries: None) -> None:
    sources(gone="example/nowhere")
    reported: list[SyncReport | str] = []

    with reporting_to(lambda _, news: reported.append(news)):
        state = asyncio.run(ingest_source("gone", return_state=True))

    assert len(reported) == 1
    assert task_run(state.state_details.flow_run_id, "sync gone").run_count == 1


def test_transient_errors_are_retried(
    prefect_server: ServerProcess, sources: Sources, short_retries: None, database: Database
) -> None:
    """The source is busy when the run starts, and is released after the first attempt."""
    sources(issues="example/engine")
    Store(database).sources.register("issues", "github")
    busy = Store(database).sources.locked("issues")
    assert busy.__enter__()
    reported: list[str] = []

    def collect(_: str, news: SyncReport | str) -> None:
        if isinstance(news, str):
            reported.append(news)
            busy.__exit__(None, None, None)

    with reporting_to(collect):
        state = asyncio.run(ingest_source("issues", when_busy="fail", return_state=True))

    assert state.is_completed()
    assert len(reported) == 1
    assert "Another sync of issues is running" in reported[0]
    assert task_run(state.state_details.flow_run_id, "sync issues").run_count == 2


def test_a_persistent_transient_error_fails_after_the_last_attempt(
    prefect_server: ServerProcess, sources: Sources, short_retries: None, database: Database
) -> None:
    sources(issues="example/engine")
    Store(database).sources.register("issues", "github")

    with Store(database).sources.locked("issues"):
        state = asyncio.run(ingest_source("issues", when_busy="fail", return_state=True))

    run = flow_run(state.state_details.flow_run_id)
    assert run.state.is_failed()
    assert "Another sync of issues is running" in run.state.message
    assert task_run(run.id, "sync issues").run_count == 4


def test_a_run_that_may_wait_continues_when_the_other_sync_ends(
    prefect_server: ServerProcess, sources: Sources, database: Database, short_retries: None
) -> None:
    sources(issues="example/engine")
    Store(database).sources.register("issues", "github")
    backfill = Store(database).sources.locked("issues", shared=True)
    assert backfill.__enter__()
    reported: list[str] = []

    def collect(_: str, news: SyncReport | str) -> None:
        if isinstance(news, str):
            reported.append(news)
            backfill.__exit__(None, None, None)

    with reporting_to(collect):
        state = asyncio.run(ingest_source("issues", when_busy="wait", return_state=True))

    assert reported == ["Another sync of issues is running; wait until it has ended. Waiting."]
    assert state.is_completed()
    assert task_run(state.state_details.flow_run_id, "sync issues").run_count == 1


def test_a_scheduled_run_is_skipped_with_a_reason_during_a_backfill(
    prefect_server: ServerProcess, sources: Sources, database: Database
) -> None:
    sources(issues="example/engine")
    Store(database).sources.register("issues", "github")

    with Store(database).sources.locked("issues", shared=True):
        state = asyncio.run(ingest_source("issues", when_busy="skip", return_state=True))

    run = flow_run(state.state_details.flow_run_id)
    assert (run.state.type, run.state.name) == ("CANCELLED", "Skipped")
    assert run.state.message.startswith("Another sync of issues is running")
    assert run.name == "ingest issues · skipped"
    [status] = Store(database).sources.status()
    assert (status.failures, status.last_error) == (0, None)


def test_the_command_prints_one_json_object_and_fails_if_a_source_fails(
    prefect_server: ServerProcess, sources: Sources, capfd: pytest.CaptureFixture[str]
) -> None:
    sources(issues="example/engine", gone="example/nowhere")

    assert main(["--json"]) == 1

    done = capfd.readouterr()
    issues, gone = json.loads(done.out)["sources"]
    assert issues == {
        "name": "issues",
        "kind": "github",
        "state": "completed",
        "documents": {"seen": 3, "added": 3, "updated": 0, "unchanged": 0, "deleted": 0, "failed": 0},
        "chunks": {"added": issues["embedded"], "deleted": 0},
        "embedded": issues["embedded"],
        "requests": issues["requests"],
        "seconds": issues["seconds"],
        "errors": [],
        "warnings": [],
    }
    assert (gone["name"], gone["state"]) == ("gone", "failed")
    assert gone["errors"][0]["url"] == "example/nowhere"
    assert "Traceback" not in done.err


def test_the_command_starts_a_temporary_server_if_none_is_configured(
    sources: Sources, command: Command, prefect_home: Path
) -> None:
    sources(issues="example/engine")

    done = command("flows.ingest", "issues", PREFECT_HOME=str(prefect_home))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("issues: 3 new (3 documents seen, ")
    first, *others = done.stderr.splitlines()
    assert first == "reading the sources"
    assert all(line.startswith("issues: ") for line in others), done.stderr


def test_an_unknown_source_name_prints_one_line(sources: Sources, capsys: pytest.CaptureFixture[str]) -> None:
    sources(issues="example/engine")

    assert main(["issus"]) == 2

    assert capsys.readouterr().err.splitlines() == [
        f"error: No source is called 'issus' in {Path.cwd() / 'sources.toml'}; there are: issues."
    ]


@pytest.mark.parametrize("text", ["[[github]]\nname = 3", "not toml", "", "[[gitlab]]\nname = 'x'"])
def test_an_invalid_sources_file_prints_one_line(
    text: str, settings_in_environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_in_environment.write_text(text)

    assert main([]) == 2

    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1
    assert str(settings_in_environment) in captured.err or "[[gitlab]]" in captured.err
    assert captured.out == ""


def test_an_unreachable_prefect_server_prints_one_line(sources: Sources, capsys: pytest.CaptureFixture[str]) -> None:
    sources(issues="example/engine")

    with temporary_settings(updates={PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert main([]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "error: Prefect's API does not answer at http://127.0.0.1:9/api. "
        "Start it, or unset PREFECT_API_URL to use a temporary one."
    ]


def test_interrupting_the_command_ends_it_and_its_runs_at_once(
    prefect_server: ServerProcess, settings_in_environment: Path
) -> None:
    with HandbookSite(ROOT / "docs") as site:
        settings_in_environment.write_text(f'[[docs]]\nname = "slow"\nurl = "{site.url}"\ndelay = 600.0\n')
        with running("flows.ingest", environment=os.environ, stderr=subprocess.PIPE) as process:
            run = newest_run("ingest slow")

            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)  # the delay of the site is ten minutes

    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted: what was indexed is kept; run the command again to continue"
    assert flow_run(run.id).state.is_final()


def test_an_unreachable_database_prints_one_line(
    prefect_server: ServerProcess,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sources(issues="example/engine")
    monkeypatch.setenv("RAG_DATABASE_URL", "postgresql://127.0.0.1:9/x")

    assert main([]) == 1

    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("error: Postgres cannot be reached")


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["-h"])

    assert exit_.value.code == 0
    assert "python -m flows.ingest postgres --full --json" in capsys.readouterr().out


def test_a_second_ingest_sends_few_requests_to_github(
    prefect_server: ServerProcess, sources: Sources, github: GitHubServer
) -> None:
    sources(issues="example/engine")
    asyncio.run(run_ingest(["issues"]))
    before = len(github.requests)

    asyncio.run(run_ingest(["issues"]))

    assert len(github.requests) - before <= 5
