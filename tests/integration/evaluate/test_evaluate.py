"""Evaluation: queries from threads, hidden documents, the quality of answers, and the history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rag import evaluate
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.evaluate import Query, read_queries
from rag.evaluate.answers import evaluate_answers
from rag.evaluate.hidden import HiddenSearcher
from rag.evaluate.history import evaluate_and_keep
from rag.evaluate.threads import queries_from_down_votes, queries_from_threads
from rag.settings import Settings
from tests.encoders import encoder_of
from tests.servers.github import GitHubServer
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer

PAGES = [
    page("backup", "Use pg_dump to write one database to a file."),
    page("vacuum", "VACUUM reclaims the space of dead rows."),
]
BACKUP = Query("1", "How do I write one database to a file?", ("https://example.org/backup",))
FOOTBALL = Query("2", "Who won the 2018 football world cup?", ())


def thread(number: int, title: str, body: str, at: str, *comments: dict[str, Any], **more: Any) -> dict[str, Any]:
    kind = "pull" if "pull_request" in more else "discussions" if "category" in more else "issues"
    return {
        "number": number, "title": title, "body": body, "state": "closed", "user": "ann", "author_association": "NONE",
        "labels": [], "created_at": at, "updated_at": "2024-12-01T00:00:00Z", "closed_at": None,
        "html_url": f"https://github.com/o/n/{kind}/{number}", "comments_list": list(comments), **more,
    }  # fmt: skip


def comment(number: int, body: str, at: str) -> dict[str, Any]:
    return {
        "id": number,
        "user": "bob",
        "body": body,
        "created_at": at,
        "updated_at": at,
        "author_association": "OWNER",
    }


CRASH = "The parser crashes with a segmentation fault when a table has no columns at all. " * 6
EXPORT = {
    "full_name": "o/n",
    "issues": [
        thread(
            1, "Parser crashes on empty tables", CRASH, "2024-01-01T00:00:00Z",
            comment(11, "Zebras: this was solved by a guard in the walker of the grammar. " * 8, "2024-06-01T00:00:00Z"),
        ),
        thread(2, "Windmills are not drawn", "The renderer draws no windmills on large maps. " * 5, "2024-07-01T00:00:00Z"),
        thread(
            3, "Guard the parser against empty tables (fixes issue #1)",
            "Fixes #2.\n\nA table without columns does not crash the parser any more.",
            "2024-05-01T00:00:00Z", pull_request={"url": "x", "merged_at": "2024-05-02T00:00:00Z"},
        ),
        thread(
            4, "About empty tables", "See #1, which somebody should mend, if anybody cares about empty tables.",
            "2024-05-03T00:00:00Z", pull_request={"url": "x", "merged_at": None},
        ),
    ],
    "discussions": [
        thread(
            5, "How are tables without columns parsed?", "Mine is empty and I wonder what the parser makes of it.",
            "2024-03-01T00:00:00Z",
            {**comment(51, "See [the page](https://example.org/backup#top), #1 and #2.", "2024-03-02T00:00:00Z"), "replies": []},
            category="Q&A", answer=51,
        ),
    ],
}  # fmt: skip


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    return empty_engine


@pytest.fixture
def threads(engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """An engine that has synced a repository with issues, a fix and an answered discussion."""
    (tmp_path / "sources.toml").write_text(
        '[[github]]\nname = "it"\nrepo = "o/n"\ninclude = ["issues", "pulls", "discussions"]\n'
    )
    with GitHubServer(EXPORT, web_url="https://github.com") as server:
        values = {
            "RAG_HOME": engine.settings.home,
            "RAG_DATABASE_URL": engine.settings.database_url,
            "RAG_SOURCES": tmp_path / "sources.toml",
            "RAG_GITHUB_API_URL": server.api_url,
            "GITHUB_TOKEN": "t",
        }
        with Engine.open(Settings(**values), encoder=encoder_of(engine)) as opened:
            assert opened.sync("it").state == "completed"
            yield opened


def test_queries_come_from_answered_discussions_and_fixes_oldest_first(threads: Engine) -> None:
    asked, fixed = queries_from_threads(threads.evaluations, ["it"])

    assert asked.id == "it:discussions/5"
    # Issue 2 is younger than the discussion.
    assert asked.gold == ("https://example.org/backup", "https://github.com/o/n/issues/1")
    assert asked.hide == ("https://github.com/o/n/discussions/5",)
    assert fixed.id == "it:pulls/3"
    assert fixed.gold == ("https://github.com/o/n/issues/1",)
    assert "#1" not in fixed.text
    assert fixed.before == datetime(2024, 5, 1, tzinfo=UTC)


def test_queries_can_be_split_by_time(threads: Engine) -> None:
    april = datetime(2024, 4, 1, tzinfo=UTC)
    (before,) = queries_from_threads(threads.evaluations, ["it"], until=april)
    (after,) = queries_from_threads(threads.evaluations, ["it"], since=april)
    assert (before.id, after.id) == ("it:discussions/5", "it:pulls/3")
    with pytest.raises(ConfigurationError, match="No thread of it can become a query"):
        queries_from_threads(threads.evaluations, ["it"], since=datetime(2025, 1, 1, tzinfo=UTC))


def test_the_thread_itself_and_later_text_are_hidden(threads: Engine) -> None:
    (_, fixed) = queries_from_threads(threads.evaluations, ["it"])
    everything = threads.questions.searcher().search("guard walker grammar zebras", top_k=50, per_document=50)
    assert any("Zebras" in result.text for result in everything)

    seen = HiddenSearcher.of(threads, fixed).search("guard walker grammar zebras", top_k=50, per_document=50)

    urls = {result.url.partition("#")[0] for result in seen}
    assert not any("Zebras" in result.text for result in seen)
    assert "https://github.com/o/n/issues/1" in urls  # its older text is visible
    assert "https://example.org/vacuum" in urls  # a page has no date
    assert not urls & {
        "https://github.com/o/n/pull/3",
        "https://github.com/o/n/pull/4",
        "https://github.com/o/n/issues/2",
    }
    assert [result.rank for result in seen] == list(range(1, len(seen) + 1))


def test_neighbours_written_later_are_hidden(threads: Engine) -> None:
    (_, fixed) = queries_from_threads(threads.evaluations, ["it"])
    searcher = HiddenSearcher.of(threads, fixed)
    everything = threads.questions.searcher().search("guard walker grammar zebras", top_k=50, per_document=50)
    late = [result for result in everything if "Zebras" in result.text]
    assert late
    beside = [replace(result, ordinal=result.ordinal + 1) for result in late]
    assert not any("Zebras" in result.text for result in searcher.around(beside, 1))


def test_hidden_results_are_replaced_by_other_documents(threads: Engine) -> None:
    (_, fixed) = queries_from_threads(threads.evaluations, ["it"])
    seen = HiddenSearcher.of(threads, fixed).search("parser crashes", top_k=2)
    assert len({result.document_id for result in seen}) == len(seen) == 2


def test_queries_from_threads_can_be_evaluated(threads: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    in_environment(threads, monkeypatch)
    file = tmp_path / "threads.jsonl"

    assert evaluate.main(["--from-threads", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "queries": 2, "without_gold": 0}
    assert read_queries(file) == queries_from_threads(threads.evaluations, ["it"])
    assert evaluate.main([str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mrr"] == 1.0


def in_environment(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    url = engine.settings.database_url
    assert url
    monkeypatch.setenv("RAG_HOME", str(engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", url.get_secret_value())


def test_extracts_are_supported_and_decline_unanswerable_questions(engine: Engine) -> None:
    quality = evaluate_answers(engine, [BACKUP, FOOTBALL, Query("3", "not known yet", None)])

    assert (quality.answerable, quality.answered, quality.unanswerable, quality.declined) == (1, 1, 1, 1)
    assert (quality.citation_precision, quality.support, quality.gold_coverage, quality.auroc) == (1, 1, 1, 1)
    assert engine.store.answers.counts().logged == 0


def test_the_answer_is_measured_that_the_asker_sees(engine: Engine) -> None:
    """The sentence about zeppelins is not in the cited page, and is removed; measured, it would halve the support."""
    with OpenAIServer() as chat:
        chat.answer = (
            "Use pg_dump to write one database to a file [1]. Zeppelins carry 40 passengers across oceans [1]."
        )
        values = {
            "RAG_HOME": engine.settings.home, "RAG_DATABASE_URL": engine.settings.database_url,
            "RAG_LLM": "openai/gpt-4o-mini", "OPENAI_API_KEY": chat.key, "OPENAI_BASE_URL": chat.url,
        }  # fmt: skip
        with Engine.open(Settings(**values), encoder=encoder_of(engine)) as other:
            quality = evaluate_answers(other, [BACKUP])

    assert (quality.answered, quality.citation_precision, quality.support) == (1, 1, 1)


def test_evaluating_answers_adds_a_key_to_the_json(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_environment(engine, monkeypatch)
    answerable, not_answerable = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    evaluate.write_queries(answerable, [BACKUP])
    evaluate.write_queries(not_answerable, [FOOTBALL])

    assert evaluate.main([str(answerable), str(not_answerable), "--answers", "--json"]) == 0

    measured = json.loads(capsys.readouterr().out)
    assert list(measured) == ["queries", "k", "ndcg", "mrr", "recall", "latency_ms", "answers"]
    assert measured["queries"] == 1
    assert list(measured["answers"]) == [
        "answerable", "unanswerable", "answered", "declined", "citation_precision", "support", "gold_coverage",
        "abstention_auroc", "latency_ms",
    ]  # fmt: skip
    assert evaluate.main([str(answerable), str(not_answerable), "--answers"]) == 0
    assert "answered 1 of 1   declined 1 of 1 unanswerable   AUROC 1.000" in capsys.readouterr().out


def test_queries_without_gold_need_the_option_answers(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_environment(engine, monkeypatch)
    evaluate.write_queries(tmp_path / "b.jsonl", [FOOTBALL])
    assert evaluate.main([str(tmp_path / "b.jsonl")]) == 2
    assert "No query has a gold URL" in capsys.readouterr().err
    assert evaluate.main([str(tmp_path / "b.jsonl"), "--answers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answers"]["declined"] == 1


def test_a_down_voted_answer_becomes_a_query(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    in_environment(engine, monkeypatch)
    with pytest.raises(ConfigurationError, match="No logged answer has a thumb down"):
        queries_from_down_votes(engine.answer_log)
    known, unknown = engine.ask(BACKUP.text), engine.ask("What does VACUUM reclaim?")
    engine.store.answers.rate(UUID(known.id), "down", better_page="https://example.org/other")
    engine.store.answers.rate(UUID(unknown.id), "down")

    assert evaluate.main(["--from-down-votes", str(tmp_path / "wrong.jsonl")]) == 0

    assert 'Rows without gold pages: 1. Replace "gold": null in them.' in capsys.readouterr().out
    first, second = read_queries(tmp_path / "wrong.jsonl")
    assert (first.text, first.gold) == (BACKUP.text, ("https://example.org/other",))
    assert second.gold is None


def test_an_evaluation_is_compared_with_the_last_good_evaluation(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    evaluate.write_queries(file, [BACKUP])
    first = evaluate_and_keep(engine, file)
    engine.syncs.ingest(MemorySource([page("backup", "Nothing to see here.", title="gone"), page("x", BACKUP.text)]))

    fell = evaluate_and_keep(engine, file)
    again = evaluate_and_keep(engine, file)

    assert (first.baseline, first.falls) == (None, ())
    assert {fall.metric for fall in fell.falls} >= {"ndcg", "mrr"}
    assert again.baseline == fell.baseline  # a bad evaluation does not become the baseline
    assert [one.good for one in again.history] == [True, False, False]


def test_other_queries_start_a_new_history(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    evaluate.write_queries(file, [BACKUP])
    evaluate_and_keep(engine, file)
    evaluate.write_queries(file, [Query("9", "nothing like it", ("https://example.org/none",))])
    assert evaluate_and_keep(engine, file).baseline is None
