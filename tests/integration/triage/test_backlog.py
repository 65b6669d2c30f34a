"""The backlog: open issues that the documentation answers by now, and those that it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from llama_index.core.schema import Document

from rag.engine import Engine
from rag.settings import GitHubConfig
from rag.sources.github import GitHubSource
from rag.triage.backlog import Backlog, backlog
from rag.triage.command import backlog_text
from rag.triage.triage import Triage
from tests.servers.github import GitHubServer
from tests.servers.memory_source import MemorySource

PAGES = {
    "retries": "# Retry failed uploads\n\nSet `retries = 3` in `engine.ini`, so that a failed upload is tried again. "
    "Between two tries of an upload, the engine waits for `retry_delay` seconds.",
    "keys": "# Rotate the signing key\n\nRotate the signing key with `engine rotate-key`. The old key stays valid for a "
    "day, so that no client is locked out.",
    "backup": "# Back up a database\n\nBack up one database with `engine dump NAME`.",
}


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    pages = [
        Document(
            id_=f"docs:{name}", text=text, metadata={"url": f"https://docs.example.org/{name}.html", **about(text)}
        )
        for name, text in PAGES.items()
    ]
    closed = {"state": "closed", "closed_at": "2026-05-02T10:00:00Z"}
    with GitHubServer({"full_name": "owner/engine", "issues": []}) as server:
        server.add_issue("Retry failed uploads", "How can a failed upload be tried again? It should retry by itself.")
        server.add_issue(
            "Crash of the tray icon on macOS", "The icon in the menu bar disappears after I unplug a monitor."
        )
        server.add_issue("How do I rotate the signing key?", "I want to rotate the signing key every month.", **closed)
        engine = module_engine(MemorySource(pages, name="docs"))
        config = GitHubConfig(name="issues", repo=server.full_name, include=("issues",))
        engine.syncs.ingest(GitHubSource(config, engine.store, token=None, api_url=server.api_url))
    return engine


@pytest.fixture(scope="module")
def found(engine: Engine) -> Backlog:
    return backlog(engine, Triage(engine, "issues"))


def about(text: str) -> dict[str, str]:
    return {"title": text.split("\n")[0].strip("# "), "source": "docs", "kind": "page"}


def test_an_open_issue_that_a_page_answers_is_listed_with_the_page(found: Backlog) -> None:
    (one,) = found.answered
    assert (one.number, one.page.partition("#")[0]) == (1, "https://docs.example.org/retries.html")
    assert one.score >= 0.6
    assert one.to_json()["score"] == round(one.score, 4)


def test_a_closed_issue_is_no_part_of_the_backlog(found: Backlog) -> None:
    assert found.open == 2


def test_what_the_program_asks_is_no_question_of_people_or_agents(engine: Engine, found: Backlog) -> None:
    assert found.answered, "the documentation was asked"
    report = engine.insights.report()
    assert (report.people.questions, report.agents.questions) == (0, 0)


def test_the_list_says_how_likely_each_page_answers(found: Backlog) -> None:
    text = backlog_text(found, "issues")
    assert "0 groups of issues that may be one problem each" in text
    assert f"1 open issue that the documentation may answer by now\n  {found.answered[0].score:.0%}  #1 Retry" in text
