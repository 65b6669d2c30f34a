"""The report of what is asked: topics, gaps, pages and stale answers, people and agents apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from rag import insights
from rag.desk.markdown import bars, insights_markdown
from rag.desk.report import Report
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.evaluate import read_queries
from rag.service import Service
from tests.servers.memory_source import MemorySource, page
from tests.servers.web import served

BACKUP = "How do I write one database to a file?"
BACKUP_TOO = "how to write one database to a file with pg_dump"
WINDMILL = "How many blades does a windmill have?"
TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4"


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    """An engine with a log: people ask for backups, and for windmills, which no page explains; an agent asks too."""
    pages = [
        page("backup", "Use pg_dump to write one database to a file.", title="Backup"),
        page("vacuum", "VACUUM reclaims the space of dead rows.", title="Vacuum"),
        page("long", "Unrelated text about nothing. " * 20, title="Long [page]"),
    ]
    engine = module_engine(MemorySource(pages))
    service = Service(engine)
    for question in (BACKUP, BACKUP_TOO, BACKUP, WINDMILL, WINDMILL, f"{WINDMILL} My token is {TOKEN}"):
        service.ask(question)
    service.ask("What does VACUUM reclaim?", by="agent")
    return engine


@pytest.fixture(scope="module")
def report(engine: Engine) -> Report:
    return engine.insights.report(days=30)


def test_the_same_question_in_other_words_is_one_topic(report: Report) -> None:
    backups = next(topic for topic in report.people.topics if topic.example in (BACKUP, BACKUP_TOO))
    assert (backups.times, backups.wordings, backups.abstained) == (3, 2, 0)
    assert "database" in backups.label
    assert sum(backups.weeks) == 3


def test_a_report_of_more_days_than_were_logged_begins_with_the_first_question(engine: Engine) -> None:
    weeks = engine.insights.report(days=3650).people.weeks
    assert len(weeks) <= 2
    assert sum(week.questions for week in weeks) == 6


def test_bars_are_of_the_last_half_year() -> None:
    assert bars([9, *[0] * 25, 1]) == "▁" * 25 + "█"


def test_people_and_agents_are_apart(report: Report) -> None:
    assert (report.people.questions, report.agents.questions) == (6, 1)
    assert [topic.example for topic in report.agents.topics] == ["What does VACUUM reclaim?"]


def test_a_question_without_an_answer_is_a_gap_with_its_nearest_page_and_a_draft(report: Report) -> None:
    [gap] = report.people.gaps
    assert (gap.times, gap.abstained) == (3, 3)
    assert gap.example.startswith(WINDMILL)
    assert gap.nearest
    assert gap.nearest.url.startswith("https://example.org/")
    assert f"### {WINDMILL}" in gap.draft
    assert gap.nearest.url in gap.draft


def test_pages_are_counted_by_the_answers_that_cite_them(report: Report) -> None:
    cited = {page.title: page.answers for page in report.cited}
    assert cited["Backup"] >= 3
    assert [page.title for page in report.never_cited] == ["Long [page]"]
    [count] = report.citation_counts
    assert (count.source, count.documents, count.never_cited) == ("docs", 3, 1)


def test_no_secret_reaches_the_report(engine: Engine, report: Report) -> None:
    shown = json.dumps(report.to_json()) + insights_markdown(report)
    assert WINDMILL in shown
    assert TOKEN not in shown


def test_the_vectors_of_questions_are_kept_with_their_answers(engine: Engine, report: Report) -> None:
    def kept() -> int:
        with engine.database.connection() as connection:
            return connection.execute("SELECT count(*) FROM question_vectors").fetchone()[0]

    assert kept() == 5
    assert engine.insights.report(days=30).people.topics == report.people.topics
    assert kept() == 5


def test_the_page_is_for_operators_and_shows_the_report(engine: Engine) -> None:
    with served(engine) as address:
        shown = httpx.get(f"{address}/insights?days=7")
        assert httpx.get(f"{address}/insights?days=many").status_code == 400
    assert shown.status_code == 200
    assert WINDMILL in shown.text
    assert "Long [page]" in shown.text
    with served(engine, host="0.0.0.0") as address:
        assert httpx.get(f"{address}/insights").status_code == 401
        for scope, status in (("search", 403), ("operate", 200)):
            key = engine.api_keys.add(scope, [scope])
            headers = {"Authorization": f"Bearer {key}"}
            assert httpx.get(f"{address}/insights", headers=headers).status_code == status


@pytest.fixture
def small(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine of which the environment of a command names the database."""
    empty_engine.syncs.ingest(MemorySource([page("backup", "Use pg_dump to write one database to a file.")]))
    monkeypatch.setenv("RAG_HOME", str(empty_engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", empty_engine.settings.database_url.get_secret_value())
    return empty_engine


def made_older(engine: Engine, question: str, days: int) -> None:
    with engine.database.connection() as connection:
        connection.execute(
            "UPDATE answers SET asked_at = asked_at - make_interval(days => %s) WHERE question = %s", [days, question]
        )


def test_a_recent_gap_comes_before_an_older_one_that_was_asked_more_often(small: Engine) -> None:
    for question in (WINDMILL, WINDMILL, WINDMILL, "Who won the football match?", "Who won the football match?"):
        small.ask(question)
    made_older(small, WINDMILL, 60)

    gaps = small.insights.report(days=90).people.gaps

    assert [(gap.example, gap.times) for gap in gaps] == [("Who won the football match?", 2), (WINDMILL, 3)]
    assert [gap.example for gap in small.insights.report(days=30).people.gaps] == ["Who won the football match?"]


def test_a_gap_is_closed_when_the_question_is_answered(small: Engine) -> None:
    question = "How many rows may a windmill table have?"
    small.ask(question)
    made_older(small, question, 3)
    assert small.insights.report().people.all_gaps == 1
    small.syncs.ingest(MemorySource([page("windmill", "A windmill table may have 5000 rows. " + question)]))

    small.ask(question)

    assert small.insights.report().people.all_gaps == 0


def test_a_thumb_down_is_a_gap_and_its_page_the_gold_of_the_row(small: Engine, tmp_path: Path) -> None:
    answer = small.ask(BACKUP)
    better = "https://example.org/better"
    small.answer_log.rate(UUID(answer.id), "down", better_page=better)

    assert insights.main(["--rows", str(tmp_path / "gaps.jsonl")]) == 0

    [query] = read_queries(tmp_path / "gaps.jsonl")
    assert (query.text, query.gold) == (BACKUP, (better,))


def test_a_stale_answer_is_listed_with_its_conversation(small: Engine) -> None:
    answer = small.ask(BACKUP)
    small.syncs.ingest(MemorySource([page("backup", "Use pg_dumpall to write all databases to a file.")]))
    [stale] = small.insights.report().stale
    assert (stale.id, stale.thread, stale.question, stale.link) == (answer.id, answer.id, BACKUP, None)


def test_the_command_prints_text_json_and_markdown(small: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    small.ask(WINDMILL)
    assert insights.main(["--json", "--days", "7"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["days", "people", "agents", "pages", "stale"]
    assert printed["people"]["gaps"][0]["row"]["gold"] is None
    assert insights.main(["--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# What was asked in the last 30 days")
    assert insights.main([]) == 0
    assert WINDMILL in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--days", "0"], ["--most", "0"], ["--rows", "/nowhere/gaps.jsonl"]])
def test_bad_input_is_one_line(small: Engine, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert insights.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_empty_log_has_an_empty_report(empty_engine: Engine) -> None:
    report = empty_engine.insights.report()
    assert (report.people.topics, report.people.gaps, report.stale) == ((), (), [])
    assert "0 questions" in insights_markdown(report)
    with pytest.raises(ConfigurationError, match="days is 0"):
        empty_engine.insights.report(days=0)


def test_markdown_of_strangers_marks_nothing(small: Engine) -> None:
    small.ask("What is <script>alert(1)</script> | [click](https://evil.example) `x`?")
    shown = insights_markdown(small.insights.report())
    outside_of_code = shown.split("````")[0]
    assert "\\<script\\>" in outside_of_code
    assert "[click](" not in outside_of_code


def test_a_name_with_underscores_is_shown_as_it_is(small: Engine) -> None:
    small.ask("What is a_long_name of __init__?")
    assert "What is a_long_name of \\_\\_init\\_\\_?" in insights_markdown(small.insights.report())
