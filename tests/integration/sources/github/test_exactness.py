"""The index equals the repository exactly, despite faults, kills, and changes during a sync."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from rag.engine import Engine
from rag.ingest.report import SyncReport
from rag.settings import GitHubConfig, Settings
from rag.sources.github import GitHubSource, RetryPolicy
from tests.processes import wait_for
from tests.servers.github import FAULTS, FaultyGitHubServer, load_export
from tests.servers.openai import OpenAIServer

KINDS = ("issues", "pulls", "discussions")
INSISTENT = RetryPolicy(attempts=50, first_delay=0.0001, rate_limit=30.0)
WEB = "https://github.com"


def generated(threads: int = 240) -> dict[str, Any]:
    """Generate a repository of issues, pull requests and discussions with comments of varying length."""
    chance = random.Random(5)
    words = [
        "server",
        "client",
        "handshake",
        "timeout",
        "retry",
        "cursor",
        "index",
        "schema",
        "token",
        "page",
        "window",
        "reply",
    ]
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def text(least: int) -> str:
        return " ".join(chance.choice(words) for _ in range(least + chance.randrange(80)))

    def said(number: int, index: int, at: datetime) -> dict[str, Any]:
        then = (at + timedelta(hours=index)).strftime("%Y-%m-%dT%H:%M:%SZ")
        association = chance.choice(["NONE", "MEMBER"])
        fields = {"user": f"user{chance.randrange(9)}", "author_association": association, "body": text(5)}
        return {"id": number * 100 + index, **fields, "created_at": then, "updated_at": then}

    rows: list[dict[str, Any]] = []
    discussions: list[dict[str, Any]] = []
    for number in range(1, threads + 1):
        at = start + timedelta(hours=number // 3)
        comments = [said(number, index, at) for index in range(chance.randrange(4))]
        last = comments[-1]["updated_at"] if comments else at.strftime("%Y-%m-%dT%H:%M:%SZ")
        row: dict[str, Any] = {
            "number": number,
            "title": text(3)[:60],
            "body": text(20),
            "state": "open",
            "user": "ann",
            "author_association": "NONE",
            "labels": ["bug"] if number % 5 else [],
            "created_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "updated_at": last,
            "closed_at": None,
            "comments_list": comments,
        }
        if number % 7 == 0:
            discussions.append({**row, "category": "Q&A", "answer": comments[0]["id"] if comments else None})
            continue
        if number % 3 == 0:
            row |= {"body": f"{row['body']} Fixes #{number - 1}.", "pull_request": {"merged_at": last}}
        rows.append(row)
    return {"full_name": "o/r", "issues": rows, "discussions": discussions}


def held(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the tables that a sync writes, without times of writing, row ids and revisions."""
    queries = {
        "documents": "SELECT id, source, kind, url, title, text, metadata::text, hash FROM documents",
        "chunks": "SELECT node_id, document_id, source, ordinal, heading, url, text, metadata_::text, embedding::text FROM {chunks}",
        "postings": "SELECT term, node_id, entry & 16777215, sum(sign(chunks)), (SELECT count(*) FROM {fresh}) "
        "FROM {postings}, unnest(entries) entry "
        "JOIN {chunks} c ON c.id = entry >> 24 GROUP BY 1, 2, 3",
        "statistics": "SELECT source, chunks, terms FROM index_statistics",
        "embeddings": "SELECT model, content, embedding::text FROM embeddings",
        "threads": "SELECT source, number, kind, data::text, pending FROM github_threads",
        "comments": "SELECT source, kind, id, number, data::text FROM github_comments",
        "cursors": "SELECT name, (cursor - 'etags')::text, last_error FROM sources",
    }
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT name FROM indexes WHERE active").fetchone()
        assert row
        names = {
            "chunks": sql.Identifier(f"data_{row[0]}"),
            "postings": sql.Identifier(f"{row[0]}_postings"),
            "fresh": sql.Identifier(f"{row[0]}_fresh"),
        }
        return {
            table: sorted(connection.execute(sql.SQL(query).format(**names)).fetchall())
            for table, query in queries.items()
        }


class Index:
    """A database that is filled from a repository with a fast embedding model."""

    def __init__(self, dsn: str, home: Path, model: OpenAIServer, api_url: str, *kinds: str) -> None:
        self.dsn = dsn
        self.kinds = kinds or KINDS
        self.environment = {
            "RAG_HOME": str(home),
            "RAG_DATABASE_URL": dsn,
            "RAG_EMBEDDING_MODEL": "openai/any",
            "OPENAI_API_KEY": model.key,
            "OPENAI_BASE_URL": model.url,
            "RAG_GITHUB_API_URL": api_url,
            "RAG_SOURCES": str(home / "none.toml"),
        }
        self.repository = "o/r"

    def sync(self, *, full: bool = False, begun: Connection | None = None) -> SyncReport:
        with Engine.open(Settings(**self.environment)) as engine:
            config = GitHubConfig(name="it", repo=self.repository, include=self.kinds)
            url = self.environment["RAG_GITHUB_API_URL"]
            source = GitHubSource(config, engine.store, token="any", api_url=url, retry=INSISTENT)
            if begun:
                begun.send_bytes(b"begun")
            return engine.syncs.ingest(source, full=full)

    @property
    def held(self) -> dict[str, list[tuple[Any, ...]]]:
        return held(self.dsn)


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


MakeIndex = Callable[..., Index]


@pytest.fixture
def make_index(new_dsn: Callable[[], str], home: Path, model: OpenAIServer) -> MakeIndex:
    return lambda server, *kinds: Index(new_dsn(), home, model, server.api_url, *kinds)


@contextmanager
def served(export: dict[str, Any], **settings: Any) -> Iterator[FaultyGitHubServer]:
    with FaultyGitHubServer(export, web_url=WEB, **settings) as server:
        yield server


# Faults


def test_faults_in_five_percent_of_the_replies_change_no_row(make_index: MakeIndex) -> None:
    with served(generated()) as calm, served(generated(), rates=dict.fromkeys(FAULTS, 0.05), seed=3) as wild:
        undisturbed, disturbed = make_index(calm), make_index(wild)
        undisturbed.sync()
        disturbed.sync()
        assert undisturbed.held == disturbed.held
        assert sum(wild.injected.values()) >= 5


@pytest.mark.slow  # 1,444 threads, twice
@pytest.mark.timeout(300)
def test_a_working_group_s_repository_is_complete_and_current_despite_faults(
    make_index: MakeIndex, shared_data: Path, model: OpenAIServer
) -> None:
    export = load_export(shared_data / "tls13-spec.github.json.gz")
    with served(export) as calm, served(export, rates=dict.fromkeys(FAULTS, 0.05), seed=1) as wild:
        undisturbed, disturbed = make_index(calm, "issues", "pulls"), make_index(wild, "issues", "pulls")
        undisturbed.repository = disturbed.repository = export["full_name"]
        assert undisturbed.sync().added == 1444
        first = disturbed.sync()
        assert sum(wild.injected.values()) >= 10
        assert (first.state, disturbed.held) == ("completed", undisturbed.held)

        same = undisturbed.sync()
        assert (same.requests <= 5, same.embedded, same.unchanged) == (True, 0, 1444)

        chunks = {row[0] for row in disturbed.held["chunks"]}
        for server in (calm, wild):
            server.edit_issue(6, title="Drop static RSA key exchange", at="2031-01-01T00:00:00Z")
            server.add_comment(12, "Seen in the wild.", at="2031-01-01T00:00:01Z")
            server.delete_issue(47)
            server.add_issue("Another question", "Why?", at="2031-01-01T00:00:02Z")
        model.requests.clear()
        next_one = disturbed.sync()
        faults = sum(wild.injected.values())
        assert (next_one.added, next_one.updated, next_one.deleted) == (1, 2, 1)
        assert next_one.embedded == len({row[0] for row in disturbed.held["chunks"]} - chunks)
        probe = 1  # requests the model's dimension
        assert len(model.inputs()) - probe == next_one.embedded
        calm_one = undisturbed.sync()
        assert calm_one.requests <= 10
        assert faults >= 10
        # The embedding of the first title stays in the cache of both indexes.
        assert disturbed.held == undisturbed.held


# Kills


def _sync_in_child(index: Index, begun: Connection) -> None:
    index.sync(begun=begun)


@pytest.fixture(scope="module")
def processes() -> Any:
    """Fork children from a process that has imported everything and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "rag.engine",
            "rag.ingest.pipeline",
            "rag.embedding.remote",
            "rag.sources.github",
            "rag.ingest.chunking",
            __name__,
        ]
    )
    return context


@pytest.mark.slow  # sixteen syncs
@pytest.mark.timeout(300)
def test_a_sync_killed_at_any_of_eight_moments_and_run_again_gives_the_same_rows(
    make_index: MakeIndex, processes: Any
) -> None:
    chance = random.Random(11)
    with served(generated(60)) as server:
        undisturbed = make_index(server)
        started = time.monotonic()
        undisturbed.sync()
        seconds = time.monotonic() - started
        expected = undisturbed.held
        interrupted = 0
        for moment in range(8):
            index = make_index(server)
            receives, sends = processes.Pipe(duplex=False)
            child = processes.Process(target=_sync_in_child, args=(index, sends))
            child.start()
            sends.close()
            assert receives.recv_bytes() == b"begun"
            # Kill one child in each eighth of the time of a sync.
            child.join((moment + chance.random()) / 8 * seconds)
            interrupted += child.is_alive()
            child.kill()
            child.join()
            _until_free(index.dsn)
            index.sync()
            assert index.held == expected, f"killed at moment {moment} of 8"
        assert interrupted >= 4


def _until_free(dsn: str) -> None:
    """Wait until Postgres has noticed the end of the client and released its locks."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def is_free() -> bool:
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
            return row == (0,)

        wait_for(is_free, seconds=120, else_show=lambda: "a lock of the killed process is held")


# Changes during a sync


def test_changes_between_requests_are_indexed_by_the_next_sync(make_index: MakeIndex) -> None:
    export = generated()
    issues = [row["number"] for row in export["issues"] if "pull_request" not in row]
    chance = random.Random(2)

    def change(request: int) -> None:
        if not 1 < request < 12:
            return
        number = chance.choice(issues)
        match request % 4:
            case 0:
                server.edit_issue(number, title=f"Edited at {request}")
            case 1:
                server.add_comment(number, f"Said at {request}.")
            case 2:
                server.add_issue(f"Opened at {request}", "Now.")
            case _:
                issues.remove(number)
                server.delete_issue(number)

    with served(export, before=change) as server:
        moved = make_index(server)
        moved.sync()
        moved.sync()
        fresh = make_index(server)
        fresh.sync()
        compared = ("documents", "chunks", "postings", "statistics", "threads", "comments")
        assert {table: moved.held[table] for table in compared} == {table: fresh.held[table] for table in compared}


def test_issues_updated_in_the_same_second_on_two_pages_are_all_indexed(make_index: MakeIndex) -> None:
    export = generated()
    for row in export["issues"][60:190]:
        row["updated_at"] = export["issues"][60]["updated_at"]
    with served(export) as server:
        index = make_index(server)
        assert index.sync().added == 240


def test_an_issue_transferred_to_another_repository_is_removed(make_index: MakeIndex) -> None:
    with served(generated(30)) as server:
        index = make_index(server)
        index.sync()
        server.transfer_issue(5, "o/other")
        assert index.sync().deleted == 1
        assert "it:issues/5" not in {row[0] for row in index.held["documents"]}


def test_an_issue_converted_to_a_discussion_is_indexed_once(make_index: MakeIndex) -> None:
    with served(generated(30)) as server:
        index = make_index(server)
        index.sync()
        number = server.convert_issue(5)
        report = index.sync()
        assert (report.added, report.deleted) == (1, 1)
        ids = {row[0] for row in index.held["documents"]}
        assert ("it:issues/5" in ids, f"it:discussions/{number}" in ids) == (False, True)


def test_the_next_sync_removes_a_deleted_discussion(make_index: MakeIndex) -> None:
    with served(generated(30)) as server:
        index = make_index(server)
        index.sync()
        server.delete_discussion(7)
        report = index.sync()
        assert (report.deleted, report.requests <= 7) == (1, True)
        assert "it:discussions/7" not in {row[0] for row in index.held["documents"]}
