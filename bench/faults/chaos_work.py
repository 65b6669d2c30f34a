"""What `bench.faults.chaos` kills: syncs, re-indexing, rolling back, moving and migrating, over a small made-up source."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import psycopg
from llama_index.core import Document
from numpy.typing import NDArray

from bench.paths import ROOT
from rag.embedding.encoders import Encoders
from rag.ingest.indexing import Indexing
from rag.ingest.opening import SourceOpener
from rag.ingest.sync import Syncs
from rag.operate.operations import Operations
from rag.settings import Settings
from rag.sources import Change, Changed, Checkpoint, Removed
from rag.store.postgres.database import Database
from rag.store.postgres.migrations import migrate
from rag.store.postgres.queries import Queries, sql_folder
from rag.store.store import Store, Transaction

__all__ = ["OPERATIONS", "HashEncoder", "Operation", "run_operation"]

_DOCUMENTS = 120
_MODEL, _OTHER_MODEL = "openai/one", "openai/other"
_OLD = ROOT / "tests" / "fixtures" / "sql" / "index_before_0003.sql"
_OLD_MIGRATIONS = ("0001_documents_and_indexes", "0002_parallel_threads_and_sitemap_dates")


class HashEncoder:
    """Makes a vector of a text's digest: costs nothing, and is the same in every run."""

    dimension = 32
    max_tokens = 256

    def __init__(self, model: str) -> None:
        self.model = model

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        digests = [hashlib.sha256(f"{self.model} {text}".encode()).digest() for text in texts]
        vectors = np.array([list(digest) for digest in digests], np.float32).reshape(-1, self.dimension) + 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    encode_queries = encode

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([text])[0]
        return vector

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class HashEncoders(Encoders):
    def of(self, model: str) -> HashEncoder:
        return HashEncoder(model)


class _Pages:
    """A source of pages in a version; its cursor says how many of them are read in which version."""

    name = "pages"
    kind = "docs"
    requests = 0

    def __init__(self, version: int) -> None:
        self._version = version

    def changes(self, *, full: bool) -> Iterator[Change]:
        del full
        for number in range(_DOCUMENTS):
            if self._version == 2 and number % 7 == 0:
                yield Removed(f"pages:{number}")
            else:
                yield Changed(_page(number, self._version))
            if number % 10 == 9:
                cursor = {"read": number + 1, "version": self._version}
                yield Checkpoint(lambda transaction, at=cursor: _set_cursor(transaction, at))  # type: ignore[misc]


def _set_cursor(transaction: Transaction, cursor: dict[str, int]) -> None:
    transaction.sources.set_cursor("pages", cursor)


def _page(number: int, version: int) -> Document:
    shown = version if number % 3 == 0 else 1  # two of three pages stay as they are
    parts = [f"## Part {part}\n\n" + f"Page {number}, part {part}, version {shown}. " * 30 for part in range(4)]
    url = f"https://example.org/{number}"
    metadata = {"url": url, "title": f"Page {number}", "source": "pages", "kind": "page"}
    return Document(id_=f"pages:{number}", text="\n\n".join(parts), metadata=metadata)


def _services(store: Store, model: str) -> tuple[Syncs, Indexing]:
    settings = Settings(RAG_HOME=Path(tempfile.gettempdir()) / "rag-chaos", RAG_EMBEDDING_MODEL=model)
    encoders = HashEncoders(settings)
    indexing = Indexing(store, encoders, model=model)
    return Syncs(store, SourceOpener(settings, store), indexing, encoders, log_days=90), indexing


def _sync(dsn: str, _other: str, *, version: int) -> None:
    with Database(dsn, embedded=True) as database:
        _services(Store(database), _MODEL)[0].ingest(_Pages(version))


def _reindex(dsn: str, _other: str) -> None:
    with Database(dsn, embedded=True) as database:
        store = Store(database)
        active = store.indexes.active()
        # A run that was killed after the switch has nothing left to do.
        if active and active.embedding_model != _OTHER_MODEL:
            _services(store, _OTHER_MODEL)[1].reindex()


def _roll_back(dsn: str, _other: str) -> None:
    with Database(dsn, embedded=True) as database:
        store = Store(database)
        active = store.indexes.active()
        if active and active.embedding_model != _MODEL:
            _services(store, _MODEL)[1].roll_back()


def _move(dsn: str, other: str) -> None:
    with Database(dsn, embedded=True) as here, Database(other, embedded=True) as there:
        if not Store(there).sources.status():
            settings = Settings(RAG_HOME=Path(tempfile.gettempdir()) / "rag-chaos")
            Operations(settings, here, Store(here)).copy_to(there)


def _migrate(dsn: str, _other: str) -> None:
    Database(dsn, embedded=True).close()


def _old_schema(dsn: str) -> None:
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(dsn, autocommit=True) as connection:
        for name in _OLD_MIGRATIONS:
            shutil.copy(sql_folder() / "migrations" / f"{name}.sql", folder)
        migrate(connection, Path(folder), Queries(sql_folder() / "queries"))
        connection.execute(_OLD.read_bytes())


def _synced(dsn: str) -> None:
    _sync(dsn, dsn, version=1)


def _reindexed(dsn: str) -> None:
    _synced(dsn)
    _reindex(dsn, dsn)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is killed.

    :param prepare: makes the database before it
    :param work: gets the database, and an empty one beside it
    :param works_on: which of the two it changes
    :param has_documents: whether that one holds documents of today's schema before it
    """

    name: str
    prepare: Callable[[str], None]
    work: Callable[[str, str], None]
    works_on: Literal["database", "other"] = "database"
    has_documents: bool = True


def _first_sync(dsn: str, other: str) -> None:
    _sync(dsn, other, version=1)


def _second_sync(dsn: str, other: str) -> None:
    _sync(dsn, other, version=2)


def _empty(dsn: str) -> None:
    Database(dsn, embedded=True).close()


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("first_sync", _empty, _first_sync),
        Operation("second_sync", _synced, _second_sync),
        Operation("reindex", _synced, _reindex),
        Operation("roll_back", _reindexed, _roll_back),
        Operation("move", _synced, _move, works_on="other", has_documents=False),
        Operation("migration", _old_schema, _migrate, has_documents=False),
    )
}


def run_operation(operation: Operation, dsn: str, other: str) -> None:
    """Run an operation to its end."""
    operation.work(dsn, other)
