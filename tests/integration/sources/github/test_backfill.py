"""A backfill in windows, in any order or in parallel, gives the same rows as one sync."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag.errors import ConfigurationError
from rag.settings import GitHubConfig
from rag.sources import Changed, Checkpoint, Removed
from rag.sources.github import GitHubClient, GitHubSource, GitHubWindow, finish_backfill, plan_backfill
from rag.sources.windows import Backfill, Window
from rag.store.documents import DocumentRow
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.servers.github import GitHubServer

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def stamp(hours: float) -> str:
    return (CREATED + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def export() -> dict[str, Any]:
    """Forty threads over ten weeks with late comments; every second is a pull request that fixes the previous issue."""
    rows = []
    for number in range(1, 41):
        at = number * 42.0
        comments = [
            {
                "id": number * 10 + index,
                "user": "bob",
                "author_association": "MEMBER",
                "body": f"Comment {index} on {number}.",
                "created_at": stamp(at + index * 190),
                "updated_at": stamp(at + index * 190),
            }
            for index in range(number % 4)
        ]
        last = at + 190 * max(0, number % 4 - 1)
        pull = {"pull_request": {"merged_at": stamp(last)}} if number % 2 == 0 else {}
        rows.append(
            {
                "number": number,
                "title": f"Thread {number}",
                "body": f"Fixes #{number - 1}." if pull else f"Body of {number}.",
                "state": "closed",
                "user": "ann",
                "author_association": "NONE",
                "labels": [],
                "created_at": stamp(at),
                "updated_at": stamp(last),
                "closed_at": stamp(last),
                "comments_list": comments,
                **pull,
            }
        )
    return {"full_name": "o/r", "issues": rows, "discussions": []}


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(export()) as server:
        yield server


def config(name: str, **fields: Any) -> GitHubConfig:
    return GitHubConfig(**{"name": name, "repo": "o/r", "include": ("issues", "pulls"), **fields})


def commit(store: Store, name: str, source: GitHubSource | GitHubWindow, *, full: bool = False) -> int:
    """Commit the changes of a source as ingestion does; return the number of requests."""
    for change in source.changes(full=full):
        with store.transaction() as transaction:
            if isinstance(change, Changed):
                document = change.document
                metadata = document.metadata
                shown = {key: metadata[key] for key in ("kind", "url", "title")}
                transaction.documents.put(
                    [
                        DocumentRow(
                            document.id_, name, **shown, text=document.text, metadata=metadata, hash=document.hash
                        )
                    ]
                )
            if isinstance(change, Removed):
                transaction.documents.delete([change.document_id])
            if isinstance(change, Changed | Removed | Checkpoint) and change.record:
                change.record(transaction)
    return source.requests


def sync(store: Store, server: GitHubServer, of: GitHubConfig) -> int:
    return commit(store, of.name, GitHubSource(of, store, token=None, api_url=server.api_url))


def read(store: Store, server: GitHubServer, of: GitHubConfig, window: Window | None) -> int:
    return commit(store, of.name, GitHubWindow(of, store, window, token=None, api_url=server.api_url))


def plan(store: Store, server: GitHubServer, of: GitHubConfig, **span: Any) -> Backfill:
    store.sources.register(of.name, "github")
    client = GitHubClient(token=None, api_url=server.api_url)
    try:
        return plan_backfill(of, store, client, **span)
    finally:
        client.close()


def held(store: Store, name: str) -> dict[str, Any]:
    """All rows of a source, without its name."""
    threads = store.github.numbers(name)
    return {
        "documents": {key.partition(":")[2]: value for key, value in hashes(store, name).items()},
        "threads": {number: store.github.thread(name, number) for number in threads},
        "comments": {number: store.github.comments(name, number) for number in threads},
        "pending": store.github.pending(name),
    }


def hashes(store: Store, name: str) -> dict[str, str]:
    return store.documents.hashes(name)


@pytest.mark.parametrize("order", ["oldest first", "newest first", "any", "side by side"])
def test_windows_in_any_order_give_the_rows_of_one_sync(
    store: Store, database: Database, server: GitHubServer, order: str
) -> None:
    # Both syncs use the same name, since it is part of a document's hash.
    sync_first = config("it")
    store.sources.register("it", "github")
    sync(store, server, sync_first)
    expected = held(store, "it")
    with store.transaction() as transaction:
        transaction.github.clear("it")
        transaction.sources.set_cursor("it", {})
        for document in hashes(store, "it"):
            transaction.documents.delete([document])

    planned = plan(store, server, config("it"))
    windows = list(planned.windows)
    if order == "newest first":
        windows.reverse()
    if order == "any":
        random.Random(7).shuffle(windows)
    with ThreadPoolExecutor(4 if order == "side by side" else 1) as pool:
        list(pool.map(lambda window: read(store, server, config("it"), window), windows))
    assert finish_backfill(planned, store)
    requests = sync(store, server, config("it"))

    assert held(store, "it") == expected
    assert len(expected["documents"]) == 40
    assert requests <= 6


def test_windows_are_whole_weeks_from_monday_and_end_now(store: Store, server: GitHubServer) -> None:
    planned = plan(store, server, config("it"), end=datetime(2026, 2, 10, tzinfo=UTC))
    assert planned.whole
    assert [window.start.weekday() for window in planned.windows[1:]] == [0] * (len(planned.windows) - 1)
    assert all(one.end == two.start for one, two in zip(planned.windows, planned.windows[1:], strict=False))
    assert planned.windows[-1].end == datetime(2026, 2, 10, tzinfo=UTC)


def test_an_interrupted_backfill_keeps_its_id_and_a_finished_backfill_does_not(
    store: Store, server: GitHubServer
) -> None:
    first = plan(store, server, config("it"))
    again = plan(store, server, config("it"))
    finish_backfill(again, store)
    assert first.id == again.id
    assert plan(store, server, config("it")).id != first.id


def test_the_first_sync_reads_the_rest_after_a_partial_backfill(store: Store, server: GitHubServer) -> None:
    start, end = CREATED + timedelta(days=20), CREATED + timedelta(days=30)
    planned = plan(store, server, config("it"), start=start, end=end)
    for window in planned.windows:
        read(store, server, config("it"), window)
    assert not finish_backfill(planned, store)
    read(store, server, config("it"), None)
    listed = {
        f"it:{'pulls' if row['number'] % 2 == 0 else 'issues'}/{row['number']}"
        for row in export()["issues"]
        if start <= datetime.fromisoformat(row["updated_at"]) < end
    }
    assert set(hashes(store, "it")) == listed
    sync(store, server, config("it"))
    assert len(hashes(store, "it")) == 40


def test_changes_during_a_backfill_are_indexed_in_the_end(store: Store, server: GitHubServer) -> None:
    planned = plan(store, server, config("it"))
    for position, window in enumerate(planned.windows):
        if position == 4:
            server.edit_issue(3, title="Moved on")
            server.add_comment(5, "Late.")
            server.delete_issue(7)
        read(store, server, config("it"), window)
    finish_backfill(planned, store)
    sync(store, server, config("it"))
    documents = hashes(store, "it")
    assert ("it:issues/7" in documents, len(documents)) == (False, 39)
    thread = store.github.thread("it", 3)
    assert thread is not None
    assert thread.data["title"] == "Moved on"
    assert [comment.data["body"] for comment in store.github.comments("it", 5)][-1] == "Late."


def test_rows_that_arrive_late_do_not_overwrite_newer_rows(store: Store, server: GitHubServer) -> None:
    store.sources.register("it", "github")
    sync(store, server, config("it"))
    thread = store.github.thread("it", 1)
    assert thread is not None
    with store.transaction() as transaction:
        transaction.github.put_threads(
            "it", [type(thread)(1, "issue", {**thread.data, "title": "Old", "updated_at": "2025-01-01T00:00:00Z"})]
        )
    assert store.github.thread("it", 1) == thread


def test_an_empty_span_is_refused(store: Store, server: GitHubServer) -> None:
    with pytest.raises(ConfigurationError, match=r"it: the span from .* to .* is empty"):
        plan(store, server, config("it"), end=datetime(2001, 1, 1, tzinfo=UTC))
