"""Threads of several versions: their milestones, labels and tags say which, and a named version leaves out the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.engine import Engine
from rag.settings import GitHubConfig
from rag.sources.github import GitHubSource
from rag.store.filters import Filters
from tests.servers.github import GitHubServer

_ANSWERED = "Thanks for the report. Set `retries = {}` in engine.ini, then the upload is tried again."


@pytest.fixture(scope="module")
def server() -> Iterator[GitHubServer]:
    with GitHubServer({"full_name": "owner/engine", "issues": []}) as server:
        for value, title, fields in (
            (3, "Upload of large files fails at once", {"milestone": "v1.4"}),
            (5, "Upload of large files fails at once again", {"labels": ["bug", "affects/2.0.x", "priority: 1"]}),
            (7, "[3.1] Upload of large files fails at once", {}),
            (9, "Download of large files is slow", {"labels": ["Windows 10"]}),
        ):
            number = server.add_issue(title, f"The upload of a large file fails, release {value}.", **fields)
            server.add_comment(number, _ANSWERED.format(value), author_association="MEMBER")
        yield server


@pytest.fixture(scope="module")
def engine(server: GitHubServer, module_engine: Callable[..., Engine]) -> Engine:
    engine = module_engine()
    config = GitHubConfig(name="issues", repo=server.full_name, include=("issues",))
    engine.syncs.ingest(GitHubSource(config, engine.store, token=None, api_url=server.api_url))
    return engine


def numbers(results: Any) -> set[int]:
    return {int(one.url.partition("#")[0].rsplit("/", 1)[1]) for one in results}


def test_milestones_labels_and_tags_of_titles_are_versions(engine: Engine) -> None:
    assert engine.documents.product_versions() == ["3.1", "2.0", "1.4"]


@pytest.mark.parametrize(("version", "number"), [("1.4", 1), ("2.0.3", 2), ("3.1", 3)])
def test_a_named_version_leaves_out_threads_of_others(engine: Engine, version: str, number: int) -> None:
    question = "Why does the upload of large files fail at once"
    assert numbers(engine.search(f"{question} in version {version}?")) == {number, 4}
    assert numbers(engine.search(f"{question}?", filters=Filters(version=version))) == {number, 4}
    answer = engine.ask(f"{question} in Engine {version}?")
    assert numbers(answer.sources) == {number}


def test_without_a_version_threads_of_all_versions_are_found(engine: Engine) -> None:
    assert numbers(engine.search("Why does the upload of large files fail at once?")) == {1, 2, 3, 4}


def test_a_milestone_that_changes_changes_the_version(server: GitHubServer, engine: Engine) -> None:
    number = server.add_issue("The clock is wrong", "The clock is an hour ahead.", milestone="4.0")
    config = GitHubConfig(name="issues", repo=server.full_name, include=("issues",))

    def found(version: str) -> set[int]:
        engine.syncs.ingest(GitHubSource(config, engine.store, token=None, api_url=server.api_url))
        return numbers(engine.search("Why is the clock wrong?", filters=Filters(version=version)))

    assert number in found("4.0")
    server.edit_issue(number, milestone="4.1")
    assert number in found("4.1")
    assert "4.0" not in engine.documents.product_versions()
