"""Ingestion: the index equals the source, and unchanged text is neither embedded nor written again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.schema import Document

from rag.embedding import LocalEncoder
from rag.embedding.cache import CachedEncoder
from rag.engine import Engine
from rag.errors import SourceUnavailable
from rag.ingest.chunking import MarkdownChunker
from rag.ingest.pipeline import Ingestion
from rag.ingest.report import SyncReport
from rag.settings import Settings
from rag.sources import Change, Changed, Checkpoint, Failed, Removed, Unchanged
from rag.store.github import GitHubComment, GitHubThread
from rag.store.index_info import IndexInfo
from rag.store.store import Store
from tests.encoders import RememberingEncoder
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer, Reply, Request

INDEX = IndexInfo("minilm", LocalEncoder.model, LocalEncoder.dimension, "1")
LONG = "\n\n".join(f"## Part {n}\n\n" + f"Sentence {n} about backups and restores. " * 20 for n in range(4))


@pytest.fixture
def ingestion(store: Store, encoder: RememberingEncoder) -> Ingestion:
    store.sources.register("docs", "docs")
    store.indexes.create(INDEX)
    chunker = MarkdownChunker(encoder.count_tokens, max_tokens=encoder.max_tokens - 2)
    return Ingestion(store, INDEX, chunker, CachedEncoder(encoder, store.embeddings))


def source(*changes: Change | Document | Exception) -> MemorySource:
    return MemorySource(changes)


def test_a_second_sync_embeds_nothing_and_writes_nothing(ingestion: Ingestion) -> None:
    first = ingestion.sync(source(page("a", LONG), page("b", "Short.")))
    second = ingestion.sync(source(page("a", LONG), page("b", "Short.")))
    assert (first.added, first.embedded) == (2, first.chunks_added)
    assert (second.seen, second.unchanged, second.embedded, second.chunks_added) == (2, 2, 0, 0)


def test_an_edit_embeds_only_the_chunks_it_touches(ingestion: Ingestion) -> None:
    before = ingestion.sync(source(page("a", LONG)))
    after = ingestion.sync(source(page("a", LONG.replace("Sentence 2", "Statement 2"))))
    assert before.chunks_added > 3
    assert (after.updated, after.embedded, after.chunks_added, after.chunks_deleted) == (1, 1, 1, 1)


def test_a_secret_never_reaches_the_database(ingestion: Ingestion, store: Store) -> None:
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4"
    leaky = page("a", f"Log in with {secret} first.\n\n## {secret}\n\nAnd again: {secret}.", title=f"T {secret}")
    ingestion.sync(source(leaky))
    with store.transaction() as transaction:
        data = {"title": secret, "body": f"I use {secret}.", "author": "ann"}
        transaction.github.put_threads("docs", [GitHubThread(1, "issue", data)])
        transaction.github.put_comments("docs", [(1, GitHubComment("issue_comment", 2, data))])

    tables = ["documents", "data_minilm", "github_threads", "github_comments"]
    kept = [str(row) for table in tables for row in _rows(store, f"SELECT t::text FROM {table} t")]

    assert len(kept) == 4
    assert all("ghp_" not in row and "********" in row for row in kept)
    assert ingestion.sync(source(leaky)).unchanged == 1


def _rows(store: Store, statement: str) -> list[tuple[str]]:
    with store._database.connection() as connection:
        return connection.execute(statement).fetchall()


def test_text_that_moves_to_another_page_is_not_embedded_again(ingestion: Ingestion) -> None:
    ingestion.sync(source(page("a", "The same words.", title="T")))
    moved = ingestion.sync(source(page("b", "The same words.", title="T")))
    assert (moved.added, moved.embedded) == (1, 0)


def test_documents_that_a_source_does_not_mention_count_as_unchanged(ingestion: Ingestion) -> None:
    ingestion.sync(source(page("a", "First."), page("b", "Second.")))
    report = ingestion.sync(source(page("b", "Second, edited.")))
    assert (report.seen, report.updated, report.unchanged) == (2, 1, 1)


def test_removed_documents_leave_the_index(ingestion: Ingestion, store: Store) -> None:
    gone = page("a", LONG)
    ingestion.sync(source(gone, page("b", "Stays.")))
    report = ingestion.sync(source(Removed(gone.id_), Unchanged("docs:https://example.org/b")))
    assert (report.deleted, report.unchanged) == (1, 1)
    assert store.indexes.size(INDEX).chunks == 1
    assert ingestion.sync(source(Removed(gone.id_))).deleted == 0


def test_documents_before_an_error_of_the_source_are_kept(ingestion: Ingestion, store: Store) -> None:
    with pytest.raises(SourceUnavailable):
        ingestion.sync(source(page("a", "First."), SourceUnavailable("the network is gone")))
    assert list(store.documents.hashes("docs")) == ["docs:https://example.org/a"]


class CountingSource(MemorySource):
    """Counts the changes that were taken from it."""

    read = 0

    def changes(self, *, full: bool) -> Iterator[Change]:
        for change in super().changes(full=full):
            self.read += 1
            yield change


def test_an_interruption_loses_three_batches_that_were_read_and_no_vector(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ingest.batches._LONGEST_READ", 0.0)  # a batch for each change
    pages = [page(f"page-{number}", f"Setting {number} is {number * 7} by default.") for number in range(30)]
    interrupted = CountingSource(pages)
    committed = 0

    def interrupt(report: SyncReport) -> None:
        nonlocal committed
        if report.added >= 5 and threading.current_thread() is threading.main_thread():
            committed = report.added
            time.sleep(0.5)  # the other threads go as far ahead as they may
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingestion.sync(interrupted, progress=interrupt)
    again = ingestion.sync(MemorySource(pages))

    assert committed + 1 <= interrupted.read <= committed + 3
    assert (again.added, again.unchanged) == (30 - committed, committed)
    assert again.embedded < again.added, "what was embedded and not written is in the cache"


def test_a_document_that_cannot_be_read_fails_the_sync_and_stays_indexed(ingestion: Ingestion, store: Store) -> None:
    ingestion.sync(source(page("a", "First.")))
    report = ingestion.sync(source(Failed("https://example.org/a", "HTTP 500"), page("b", "Second.")))
    assert (report.state, report.failed, report.added) == ("failed", 1, 1)
    assert report.errors[0].error == "HTTP 500"
    assert len(store.documents.hashes("docs")) == 2


def test_a_record_commits_with_its_document_or_not_at_all(ingestion: Ingestion, store: Store) -> None:
    def move(_transaction: object) -> None:
        _transaction.sources.set_cursor("docs", {"at": 1})  # type: ignore[attr-defined]
        raise SourceUnavailable("killed in the middle")

    with pytest.raises(SourceUnavailable):
        ingestion.sync(source(Changed(page("a", "First."), record=move)))
    assert store.sources.cursor("docs") == {}
    assert store.documents.hashes("docs") == {}


def test_a_source_reads_its_own_records_after_a_checkpoint(ingestion: Ingestion, store: Store) -> None:
    class Staging(MemorySource):
        def changes(self, *, full: bool):
            for number in range(5):
                yield Checkpoint(lambda transaction, n=number: transaction.sources.set_cursor("docs", {"at": n}))
                assert store.sources.cursor("docs") == {"at": number}

    assert ingestion.sync(Staging([])).state == "completed"


def test_hostile_text_is_stored_and_found(ingestion: Ingestion, store: Store) -> None:
    report = ingestion.sync(source(page("a", "nul \x00, surrogate \ud800, quote ' \" \\ %(x)s {chunks} ; DROP TABLE")))
    assert (report.added, report.chunks_added) == (1, 1)


class RefusingServer(OpenAIServer):
    """Has no vector for texts about poison: refuses them, or returns zeros."""

    refuses = True

    def handle(self, request: Request) -> Reply | Iterator[dict[str, Any]]:
        if self.refuses and any("poison" in text for text in request.body.get("input", [])):
            return Reply(400, {"error": {"message": "cannot be embedded"}})
        return super().handle(request)

    def vector(self, text: str) -> list[float]:
        return [0.0] * self.dimension if "zero" in text else super().vector(text)


def test_a_text_without_a_vector_fails_its_document_only(empty_engine: Engine) -> None:
    pages = [page(name, f"## Part\n\nThis is about {name}.") for name in ("bread", "poison", "zero", "wine")]
    with RefusingServer() as server:
        settings = Settings(
            RAG_HOME=empty_engine.settings.home,
            RAG_DATABASE_URL=empty_engine.settings.database_url,
            RAG_EMBEDDING_MODEL="openai/m",
            OPENAI_API_KEY=server.key,
            OPENAI_BASE_URL=server.url,
        )
        with Engine.open(settings) as engine:
            report = engine.syncs.ingest(MemorySource(pages))
            assert (report.state, report.added, report.failed) == ("failed", 2, 2)
            assert sorted(failure.url.rpartition("/")[2] for failure in report.errors) == ["poison", "zero"]
            assert "model has no vector for a part of it" in report.errors[0].error
            found = engine.search("bread")
            assert sorted(result.title for result in found) == ["bread", "wine"]
            assert all(0 <= result.score <= 1 for result in found)
            server.refuses = False
            assert engine.syncs.ingest(MemorySource(pages)).added == 1
