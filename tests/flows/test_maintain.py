"""Alerts are sent once per incident, and maintenance deletes unused rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from prefect.client.schemas.objects import State

from flows.ingest import ingest_source
from flows.maintain import maintain, watch
from flows.prefect.server import ServerProcess
from rag.store.index_info import IndexInfo
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import flow_run, table
from tests.servers.chat import Chat
from tests.servers.github import GitHubServer

Sources = Callable[..., None]
pytestmark = pytest.mark.usefixtures("quick_embedding")


@pytest.fixture(autouse=True)
def no_pauses(short_retries: None) -> None:
    """Retry without delay."""


def run_ingest_source(name: str) -> State[object]:
    return asyncio.run(ingest_source(name, return_state=True))


def run_watch() -> State[object]:
    return asyncio.run(watch(return_state=True))


def make_outdated(database: Database, name: str, hours: int) -> None:
    with database.connection() as connection:
        connection.execute(
            "UPDATE sources SET last_success = now() - make_interval(hours => %s) WHERE name = %s", [hours, name]
        )


def test_repeated_failures_of_a_source_send_one_alert(
    prefect_server: ServerProcess, sources: Sources, database: Database, chat: Chat, github: GitHubServer
) -> None:
    sources(issues="example/nowhere")
    for _ in range(2):
        run_ingest_source("issues")
    assert chat.texts == []

    for _ in range(3):
        run_ingest_source("issues")

    [text] = chat.texts
    assert text.startswith("support-engine: issues has failed 3 times in a row. Last success: none yet.")
    assert "there is no repository example/nowhere" in text
    sources(issues="example/engine")
    run_ingest_source("issues")
    [status] = Store(database).sources.status()
    assert (status.failures, status.alerted) == (0, False)


def test_an_outdated_source_sends_one_alert_per_incident(
    prefect_server: ServerProcess, sources: Sources, database: Database, chat: Chat
) -> None:
    sources(issues="example/engine")
    run_ingest_source("issues")
    run_watch()
    assert chat.texts == []

    make_outdated(database, "issues", 5)
    first, second = run_watch(), run_watch()

    assert [text.partition(". ")[0] for text in chat.texts] == [
        "support-engine: issues has not synced successfully for 5 hours"
    ]
    assert first.message == "Alerted for issues."
    assert second.message == "No new alerts."
    assert flow_run(first.state_details.flow_run_id).name == "watch · alerted for issues"
    run_ingest_source("issues")
    make_outdated(database, "issues", 100)
    run_watch()
    assert "for 4 days" in chat.texts[1]


def test_an_undelivered_alert_is_sent_again_later(
    prefect_server: ServerProcess, sources: Sources, database: Database, chat: Chat
) -> None:
    sources(issues="example/engine")
    run_ingest_source("issues")
    make_outdated(database, "issues", 5)
    chat.status = 500

    state = run_watch()

    assert state.is_failed()
    assert "could not be delivered to 127.0.0.1: HTTP 500" in state.message
    assert "secret" not in state.message
    chat.status = 200
    run_watch()
    assert len(chat.texts) == 1


def test_maintenance_drops_unused_indexes_and_embeddings(
    prefect_server: ServerProcess, sources: Sources, database: Database
) -> None:
    sources(issues="example/engine")
    run_ingest_source("issues")
    store = Store(database)
    old = IndexInfo("old", "local/old", 3, "1")
    store.indexes.create(old)
    store.embeddings.keep("local/old", {b"old": np.zeros(3, np.float32), b"new": np.zeros(3, np.float32)})
    with database.connection() as connection:
        connection.execute("UPDATE indexes SET retired_at = now() - interval '31 days' WHERE name = 'old'")
        connection.execute("UPDATE embeddings SET used_on = current_date - 200 WHERE content = 'old'")
        before = connection.execute("SELECT count(*) FROM embeddings").fetchone()

    state = asyncio.run(maintain(return_state=True))

    assert state.is_completed()
    assert (table("maintain")["indexes dropped"], table("maintain")["embeddings dropped from the cache"]) == ("old", 1)
    assert store.embeddings.cached("local/old", [b"old", b"new"]).keys() == {b"new"}
    assert store.indexes.others() == []
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM embeddings").fetchone() == (before[0] - 1,)


def test_using_a_cached_embedding_postpones_its_expiry(store: Store, database: Database) -> None:
    store.embeddings.keep("m", {b"x": np.zeros(3, np.float32)})
    with database.connection() as connection:
        connection.execute("UPDATE embeddings SET used_on = current_date - 200")

    store.embeddings.cached("m", [b"x"])

    assert store.embeddings.expire(days=180) == 0
