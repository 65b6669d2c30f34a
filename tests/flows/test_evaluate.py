"""The evaluation flow: its history, its trend, and a run that fails if a metric drops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import evaluate as command
from flows.deploy.deployments import deployments
from flows.evaluate import evaluate, trend
from flows.ingest import run_ingest
from flows.prefect.server import ServerProcess
from rag.engine import Engine
from rag.evaluate import Query, write_queries
from tests.encoders import RememberingEncoder
from tests.flows.prefect_records import artifact
from tests.servers.github import GitHubServer

Sources = Callable[..., None]
QUESTION = "Can I run this on a laptop without Docker?"


@pytest.fixture
def queries(prefect_server: ServerProcess, sources: Sources, encoder: RememberingEncoder, tmp_path: Path) -> Path:
    """An index of three issues, and a file with a query that they answer."""
    sources(issues="example/engine")
    with Engine.open(encoder=encoder) as engine:
        engine.sync("issues")
        url = engine.search(QUESTION)[0].url
    write_queries(tmp_path / "laptops.jsonl", [Query("1", QUESTION, (url.partition("#")[0],))])
    return tmp_path / "laptops.jsonl"


def test_a_dropped_metric_fails_the_run_and_shows_in_the_trend(queries: Path, github: GitHubServer) -> None:
    first = asyncio.run(evaluate(str(queries)))
    github.edit_issue(3, title="Another matter", body="Nothing to see here.")
    for comment in github.comments(3):
        github.delete_comment(3, comment["id"])
    asyncio.run(run_ingest(["issues"]))

    state = asyncio.run(evaluate(str(queries), return_state=True))

    assert first.falls == ()
    assert state.is_failed()
    assert state.message.startswith("laptops fell: ndcg from 1.000 to ")
    shown = artifact("evaluation-laptops").data
    assert "| ndcg | " in shown
    assert shown.count("| fell |") >= 2, "in the metric's row and in the run's row"
    with Engine.open() as engine, engine.database.connection() as connection:
        kept = connection.execute("SELECT name, good FROM evaluations ORDER BY id").fetchall()
    assert kept == [("laptops", True), ("laptops", False)]


def test_the_command_prints_one_json_object_and_fails_when_a_metric_drops(
    queries: Path, github: GitHubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(queries), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert list(first)[:6] == ["queries", "k", "ndcg", "mrr", "recall", "latency_ms"]
    assert (first["baseline"], first["falls"], first["evaluations"]) == (None, [], 1)
    github.delete_issue(3)
    asyncio.run(run_ingest(["issues"], full=True))

    assert command.main([str(queries), "--json", "--allowed-drop", "0.5"]) == 1

    second = json.loads(capsys.readouterr().out)
    assert second["baseline"]["ndcg"] == 1.0
    assert {"metric": "ndcg", "before": 1.0, "now": 0.0} in second["falls"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.jsonl"], "none.jsonl cannot be read"),
        (["none.jsonl", "--allowed-drop", "2"], "--allowed-drop is 2.0; it must be between 0 and 1."),
        (["none.jsonl", "--k", "0"], "--k is 0; it must be at least 1."),
    ],
)
def test_bad_input_prints_one_line(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_an_ingest_lists_stale_answers(queries: Path, github: GitHubServer) -> None:
    with Engine.open() as engine:
        engine.ask(QUESTION)
    asyncio.run(run_ingest(["issues"]))
    assert json.loads(str(artifact("stale-answers").data)) == []
    github.delete_issue(3)

    asyncio.run(run_ingest(["issues"], full=True))

    assert [row["question"] for row in json.loads(str(artifact("stale-answers").data))] == [QUESTION]


def test_a_file_of_queries_is_evaluated_every_day(tmp_path: Path) -> None:
    deployed = {one.name: one for one in asyncio.run(deployments([], tmp_path / "laptops.jsonl"))}
    evaluation = deployed["evaluate laptops"]
    assert evaluation.parameters == {"queries": str(tmp_path / "laptops.jsonl")}
    assert [schedule.schedule.cron for schedule in evaluation.schedules] == ["0 6 * * *"]


def test_a_trend_of_one_run_can_be_drawn(queries: Path) -> None:
    shown = trend(asyncio.run(evaluate(str(queries))))
    assert "| ndcg | 1.000 | – | █ |  |" in shown
