"""Triage of a repository whose history declares duplicates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.settings import GitHubConfig, Settings
from rag.sources.github import GitHubSource
from rag.triage.backlog import backlog
from rag.triage.candidates.weights import shipped_model
from rag.triage.command import main, replay_text
from rag.triage.commenting.read import read_apart
from rag.triage.releases import read_releases
from rag.triage.replaying.replay import replayed
from rag.triage.triage import Triage
from tests.servers.github_comments import CommentableGitHubServer

# Half of the issues share words with a problem of another part of the program.
FLOOR = 0.6


@pytest.fixture(scope="module")
def github(reported_twice: dict[str, Any]) -> Iterator[CommentableGitHubServer]:
    with CommentableGitHubServer(reported_twice) as server:
        fix = server.add_issue(
            "Keep the last row", "Fixes #3", pull_request={"merged_at": "2024-02-20T00:00:00Z"}, state="closed"
        )
        server.edit_issue(3, state="closed", closed_at="2024-02-20T00:00:00Z")
        assert fix == 97
        server.edit_issue(9, state="closed", closed_at="2024-02-20T00:00:00Z", state_reason="not_planned")
        server.releases = [
            {"tag_name": "v1.0", "published_at": "2024-01-20T00:00:00Z", "draft": False, "prerelease": False},
            {"tag_name": "v1.1", "published_at": "2024-03-01T00:00:00Z", "draft": False, "prerelease": False},
        ]
        yield server


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine], github: CommentableGitHubServer) -> Engine:
    engine = module_engine()
    config = GitHubConfig(name="it", repo="o/r", include=("issues", "pulls"))
    engine.syncs.ingest(GitHubSource(config, engine.store, token=None, api_url=github.api_url))
    settings = engine.settings.model_copy(update={"github_api_url": github.api_url})
    assert read_releases(settings, engine.store.triage, "it", "o/r") == 2
    return engine


@pytest.fixture(scope="module")
def triage(engine: Engine) -> Triage:
    triage = Triage(engine, "it")
    triage.replay(floor=FLOOR)
    return triage


def test_a_replay_promises_a_precision_and_finds_the_duplicates(triage: Triage) -> None:
    known = triage.calibration
    assert known is not None
    assert (known["issues"], known["duplicates"]) == (96, 24)
    assert known["ndcg"] > 0.9
    assert known["precision"] >= FLOOR
    chosen = next(row for row in known["thresholds"] if row["threshold"] == known["threshold"])
    assert known["precision"] == chosen["promise"] < chosen["precision"], "less is promised than was seen"
    assert [row["threshold"] for row in known["thresholds"]] == sorted(row["threshold"] for row in known["thresholds"])


def test_a_replay_without_enough_duplicates_stays_silent(engine: Engine, triage: Triage) -> None:
    found = Triage(engine, "it").replay(floor=FLOOR, until=triage.ranker.corpus.issues[60].opened)
    assert found.chosen is None
    assert "are too few to promise a precision" in (found.silent_because or "")
    assert triage.threshold is not None, "a replay of a part of the history is not kept"


def test_a_replay_that_reaches_no_floor_says_the_best_promise_and_the_floor_it_would_speak_with(triage: Triage) -> None:
    upto = triage.ranker.corpus.issues[-1].opened
    silent = triage.replay(floor=0.99, until=upto)
    assert silent.best is not None
    assert silent.to_json()["threshold"] is None
    assert silent.to_json()["best"] == silent.best.to_json()
    assert f"RAG_TRIAGE_PRECISION={silent.best.floor:.2f}" in replay_text(silent, "it")
    speaking = triage.replay(floor=silent.best.floor, until=upto)
    assert speaking.chosen is not None
    assert speaking.to_json()["best"] is None


def test_every_issue_is_judged_even_if_a_model_learns_from_some_of_them_only(triage: Triage) -> None:
    whole, part = (replayed(triage.ranker, shipped_model(), floor=FLOOR, most_learned=most) for most in (1_000, 5))
    assert [one.number for one in part.outcomes] == [one.number for one in whole.outcomes]
    assert {one.weight for one in part.outcomes} == {1.0}
    assert part.model.weights.tolist() != whole.model.weights.tolist()


def test_a_duplicate_leads_to_its_root(triage: Triage) -> None:
    verdict = triage.of_text("scheduler crashes with a null pointer", "NullPointerException in scheduler")
    assert verdict.candidates[0].number == 13, "and not to the duplicate of it"
    assert [one.number for one in verdict.links] == [13]


def test_a_fixed_thread_names_the_pull_request_and_the_release(triage: Triage) -> None:
    found = triage.of_text("The parser loses the last record", "expected 10 rows, got 9").candidates[0]
    assert (found.number, found.role, found.fixed_by, found.fixed_in) == (3, "fixed", 97, "v1.1")


def test_a_thread_that_was_closed_for_want_of_activity_is_not_shown(triage: Triage) -> None:
    verdict = triage.of_text("The cache loses the last record", "expected 10 rows, got 9")
    assert 9 not in [one.number for one in verdict.candidates]


def test_a_new_problem_is_linked_to_nothing(triage: Triage) -> None:
    verdict = triage.of_text("Support for dark mode", "It would be kind to the eyes.")
    assert verdict.links == ()
    assert "is as likely as" in (verdict.silent_because or "")


def test_an_issue_is_compared_with_earlier_ones_only(triage: Triage) -> None:
    assert all(one.number < 3 for one in triage.of_number(3, as_opened=True).candidates)


def test_a_floor_that_is_not_reached_silences_everything(engine: Engine, triage: Triage) -> None:
    report = triage.calibration
    assert report is not None
    engine.store.triage.put_calibration("it", {**report, "threshold": None, "silent": True})
    try:
        verdict = Triage(engine, "it").of_text("scheduler crashes with a null pointer", "NullPointerException")
        assert verdict.links == ()
        assert "no threshold promises a precision of 0.60" in (verdict.silent_because or "")
        assert verdict.candidates[0].number == 13, "the private report shows it all the same"
    finally:
        engine.store.triage.put_calibration("it", dict(report))


def test_an_issue_that_the_source_lacks_is_refused(triage: Triage) -> None:
    with pytest.raises(ConfigurationError, match="it has no issue #4000"):
        triage.of_number(4000)


def test_the_reading_process_holds_no_token(
    engine: Engine, triage: Triage, monkeypatch: pytest.MonkeyPatch, github: CommentableGitHubServer
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_secret")
    monkeypatch.setenv("RAG_TRIAGE_TOKEN", "ghp_secret")
    monkeypatch.setenv("RAG_SLACK_BOT_TOKEN", "ghp_secret")
    monkeypatch.setenv("RAG_ALERT_WEBHOOK", "https://hooks.example.org/ghp_secret")
    seen: list[dict[str, str]] = []
    popen = psutil.subprocess.Popen

    class Watched(popen):  # type: ignore[misc, valid-type]
        def communicate(self, job: bytes) -> Any:
            assert b"ghp_secret" not in job
            seen.append(psutil.Process(self.pid).environ())
            return super().communicate(job)

    monkeypatch.setattr("rag.sources.markup.process.subprocess.Popen", Watched)
    settings = Settings(
        RAG_HOME=engine.settings.home,
        RAG_DATABASE_URL=engine.settings.database_url.get_secret_value() if engine.settings.database_url else None,
        RAG_SOURCES=engine.settings.sources_path,
        RAG_TRIAGE_PRECISION=FLOOR,
    )

    found = read_apart(settings, "it", since=0.0)

    assert not any("ghp_secret" in value for value in seen[0].values())
    assert found.plan.repository == "o/r"
    assert {one.number for one in found.plan.issues} == set(triage.numbers(since=0))
    assert found.calibration["duplicates"] == 24


def test_open_duplicates_are_grouped(engine: Engine, triage: Triage, github: CommentableGitHubServer) -> None:
    twin = github.add_issue("exporter hangs for ever", "It hangs for ever.\n\n```\nno output, one core is busy\n```")
    config = GitHubConfig(name="it", repo="o/r", include=("issues", "pulls"))
    engine.syncs.ingest(GitHubSource(config, engine.store, token=None, api_url=github.api_url))

    found = backlog(engine, Triage(engine, "it"))

    groups = [{number for number, _, _ in cluster.issues} for cluster in found.clusters]
    assert any({20, twin} <= group for group in groups)
    assert [method for method, _ in github.written()] == []


def test_an_issue_of_a_series_gets_no_comment(engine: Engine, triage: Triage, github: CommentableGitHubServer) -> None:
    assert triage.threshold is not None
    parts = [
        github.add_issue(f"Translate the page about {thing} to Greek", "One page of many.", user="translator")
        for thing in ("parsers", "caches", "backups", "mails")
    ]
    config = GitHubConfig(name="it", repo="o/r", include=("issues", "pulls"))
    engine.syncs.ingest(GitHubSource(config, engine.store, token=None, api_url=github.api_url))

    verdicts = [Triage(engine, "it").of_number(number) for number in parts]

    series = "it is one of a series that its author opened from a template"
    assert [one.silent_because == series for one in verdicts] == [False, False, False, True]
    assert verdicts[3].links == ()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give one of NUMBER, --title with --body, --replay and --backlog."),
        (["3", "--replay"], "not NUMBER and --replay."),
        (["3", "--until", "2024-01-01"], "--until requires --replay."),
        (["3", "--top-k", "0"], "--top-k is 0"),
        (["--body", "missing.md"], "missing.md cannot be read"),
    ],
)
def test_bad_input_gets_one_line(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line


def test_the_command_prints_one_object(
    engine: Engine, triage: Triage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.settings.database_url
    monkeypatch.setenv("RAG_HOME", str(engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", engine.settings.database_url.get_secret_value())
    assert main(["--title", "scheduler crashes with a null pointer", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= {"issue", "candidates", "silent"}
    assert set(found["candidates"][0]) >= {"url", "title", "probability", "state", "fixed_in"}
