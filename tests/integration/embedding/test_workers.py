"""Other processes embed the texts of a sync, which does not change the index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import numpy as np
import pytest
from psycopg import sql

from rag.embedding.workers import EmbeddingWorkers
from rag.engine import Engine
from rag.errors import EmbeddingError
from rag.store.index_info import IndexTables
from tests.encoders import encoder_of
from tests.integration.test_engine import engine_with, remote_model
from tests.servers.memory_source import MemorySource, page

# Three batches, the last of which is too small for a worker.
PAGES = [page(f"{number:03}", f"Setting {number} is {number * 7} by default.") for number in range(450)]
CHARACTERS = 1_000_000


class WorkerProcess:
    """Stands for a worker process: a second engine on the same database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.batches: list[int] = []
        self.two_at_once = threading.Barrier(2)

    def embed(self, batch: UUID, texts: int) -> None:
        self.two_at_once.wait(timeout=60)
        assert self.engine.syncs.embed_batch(batch) == texts
        self.batches.append(texts)


@pytest.fixture
def worker_process(empty_engine: Engine) -> Iterator[WorkerProcess]:
    with Engine.open(empty_engine.settings, encoder=encoder_of(empty_engine)) as other:
        yield WorkerProcess(other)


def vectors(engine: Engine) -> dict[str, np.ndarray]:
    index = engine.store.indexes.active()
    assert index
    query = sql.SQL("SELECT text, embedding FROM {chunks}").format(**IndexTables(index).identifiers)
    with engine.database.connection() as connection:
        return {text: vector.to_numpy().astype(np.float32) for text, vector in connection.execute(query)}


def batches_left(engine: Engine) -> int:
    with engine.database.connection() as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM embedding_batches").fetchall()
    return int(count)


def test_embedding_workers_embed_large_batches_in_parallel(
    empty_engine: Engine, worker_process: WorkerProcess, new_dsn: Callable[[], str]
) -> None:
    report = empty_engine.syncs.ingest(
        MemorySource(PAGES), embedding_workers=EmbeddingWorkers(worker_process.embed, 4, CHARACTERS)
    )

    assert worker_process.batches == [200, 200]
    assert (report.state, report.added, report.embedded) == ("completed", 450, 450)
    assert batches_left(empty_engine) == 0
    with engine_with(empty_engine, RAG_DATABASE_URL=new_dsn()) as alone:
        alone.syncs.ingest(MemorySource(PAGES))
        expected = vectors(alone)
    found = vectors(empty_engine)
    assert found.keys() == expected.keys()
    assert min(float(found[text] @ expected[text]) for text in expected) > 0.999


def test_a_sync_embeds_in_its_own_process_if_workers_fail(
    empty_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    given = []

    def fail(batch: UUID, _texts: int) -> None:
        given.append(batch)
        raise EmbeddingError("No worker has begun it.")

    report = empty_engine.syncs.ingest(MemorySource(PAGES), embedding_workers=EmbeddingWorkers(fail, 1, CHARACTERS))

    assert (report.state, report.added, report.embedded) == ("completed", 450, 450)
    assert "No worker has begun it. This process embeds the remaining texts." in caplog.messages
    assert batches_left(empty_engine) == 0
    assert len(given) <= 2, "workers that failed get no more batches"


def test_embedding_workers_embed_for_a_new_index(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (engine, server), Engine.open(engine.settings) as other:
        texts = []

        def embed(batch: UUID, count: int) -> None:
            texts.append(count)
            other.syncs.embed_batch(batch)

        new = engine.indexing.reindex(embedding_workers=EmbeddingWorkers(embed, 4, CHARACTERS))

        assert engine.store.indexes.size(new).chunks == 450
        assert sum(texts) == 450
        assert server.requests


def test_a_batch_that_is_embedded_or_dropped_is_skipped(empty_engine: Engine) -> None:
    batch = empty_engine.store.embeddings.put_batch("local/all-MiniLM-L6-v2", ["A text."])
    assert empty_engine.syncs.embed_batch(batch) == 1
    assert empty_engine.syncs.embed_batch(batch) == 0
    empty_engine.store.embeddings.drop_batch(batch)
    assert empty_engine.syncs.embed_batch(batch) == 0
