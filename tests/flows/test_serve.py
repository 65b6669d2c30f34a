"""`flows.serve` registers the deployments of every source; tests of the UI and of schedules run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.schedules import schedule_of
from flows.serve import main
from rag.settings import DocsConfig, GitHubConfig, RepositoryConfig
from tests.flows.served import Served


def deployment(served: Served, flow: str, name: str) -> dict[str, Any]:
    found = served.api(f"deployments/name/{flow}/{name}")
    assert isinstance(found, dict)
    return found


def test_every_source_gets_a_deployment_with_its_schedules(served: Served) -> None:
    ingest = deployment(served, "ingest-source", "ingest handbook")

    assert {schedule["schedule"]["cron"]: schedule["parameters"] for schedule in ingest["schedules"]} == {
        schedule_of(DocsConfig(name="handbook", url="https://example.org/")): {"when_busy": "skip"},
        "0 0 * * MON": {"full": True},
    }
    assert ingest["tags"] == ["ingest", "docs", "handbook"]
    assert ingest["global_concurrency_limit"]["limit"] == 1
    assert ingest["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert ingest["parameters"] == {"name": "handbook", "full": False, "accept_removals": False, "when_busy": "wait"}
    assert not ingest["paused"]


def test_the_deployment_that_answers_has_no_schedule_and_describes_its_parameters(served: Served) -> None:
    answer = deployment(served, "answer", "answer")

    assert answer["schedules"] == []
    assert answer["description"]
    for parameter in answer["parameter_openapi_schema"]["properties"].values():
        assert parameter["description"]
        assert "type" in parameter or "anyOf" in parameter


def test_at_the_end_schedules_are_paused_and_the_server_that_it_started_is_stopped(stopped: Served) -> None:
    printed = stopped.printed.read_text()

    assert stopped.process.returncode == 0, printed
    assert printed.splitlines()[-1].startswith("Stopped.")
    assert "Traceback" not in printed
    assert "Warning:" not in printed
    paused = stopped.paused()
    assert paused["ingest handbook"]
    assert paused["ingest issues"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(stopped.address, timeout=5)


def test_schedules_of_sources_are_spread_over_time() -> None:
    docs = [schedule_of(DocsConfig(name=f"docs{n}", url="https://example.org/")) for n in range(20)]
    issues = [schedule_of(GitHubConfig(name=f"issues{n}", repo="o/n")) for n in range(20)]

    assert len(set(docs)) > 10
    assert len(set(issues)) > 10
    for cron in docs:
        minute, hour, *rest = cron.split()
        assert 0 < int(minute) < 60
        assert 1 <= int(hour) <= 4
        assert rest == ["*", "*", "*"]
    assert all(cron.endswith(" * * * *") and int(cron.split()[0]) > 0 for cron in issues)


def test_a_repository_is_synced_every_night_at_the_same_time() -> None:
    config = RepositoryConfig(name="handbook", url="https://example.org/handbook.git")

    assert schedule_of(config) == schedule_of(config)
    assert schedule_of(config).endswith(" * * *")


def test_a_missing_sources_file_prints_one_line(
    settings_in_environment: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: There is no sources file at ")


def test_a_home_that_cannot_be_used_is_told_before_anything_is_registered(
    settings_in_environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_in_environment.write_text('[[docs]]\nname = "docs"\nurl = "https://docs.example/"\n')
    monkeypatch.delenv("RAG_DATABASE_URL")
    monkeypatch.setenv("RAG_HOME", str(settings_in_environment))

    assert main([]) == 1

    told = capsys.readouterr().err
    assert "is not a folder. Set it to a folder that can be written." in told
    assert told.count("\n") == 1
