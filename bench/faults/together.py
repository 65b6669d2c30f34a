"""Eight syncs of four sources, two askers, and one process that re-indexes and rolls back, all at the same time.

`python -m bench chaos --together 600`. Each process works on its own until the time is over. Every document is written
anew by each sync, in the next version of its source, which the cursor counts. Now and then a source is synced that is new.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psycopg
from llama_index.core import Document
from numpy.typing import NDArray

from bench.faults import invariants
from bench.faults.chaos_work import HashEncoder
from bench.report import Table, wrong_table
from rag.embedding.encoders import Encoders
from rag.engine import Engine
from rag.errors import ConfigurationError, SourceBusy
from rag.ingest.indexing import Indexing
from rag.ingest.opening import SourceOpener
from rag.ingest.sync import Syncs
from rag.settings import Settings
from rag.sources import Change, Changed, Checkpoint
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from rag.store.store import Store, Transaction

__all__ = ["run_together"]

_SYNCS, _SOURCES, _ASKERS = 8, 4, 2
_DOCUMENTS, _DOCUMENTS_OF_NEW = 24, 6
_MODELS = ("openai/one", "openai/other")
_KEY = re.compile(r"key\d+x\d+")


class _KeyEncoder(HashEncoder):
    """Makes a vector of the key that a text holds: a question with it finds its document in the index of this model only."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.array([self._vector(text) for text in texts], np.float32).reshape(-1, self.dimension)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    encode_queries = encode

    def _vector(self, text: str) -> list[float]:
        found = _KEY.search(text)
        digest = hashlib.sha256(f"{self.model} {found[0] if found else text}".encode()).digest()
        return [byte - 127.5 for byte in digest]


class _KeyEncoders(Encoders):
    def of(self, model: str) -> _KeyEncoder:
        return _KeyEncoder(model)


class _Counted:
    """A source whose cursor counts its syncs, and whose documents say which one wrote them."""

    kind = "docs"
    requests = 0

    def __init__(self, name: str, store: Store, documents: int) -> None:
        self.name, self._store, self._documents = name, store, documents

    def changes(self, *, full: bool) -> Iterator[Change]:
        del full
        version = int(self._store.sources.cursor(self.name).get("version", 0)) + 1
        for number in range(self._documents):
            yield Changed(_document(self.name, number, version))
        cursor = {"version": version}
        yield Checkpoint(lambda transaction: _set_cursor(transaction, self.name, cursor))


def _set_cursor(transaction: Transaction, name: str, cursor: dict[str, int]) -> None:
    transaction.sources.set_cursor(name, cursor)


def _document(source: str, number: int, version: int) -> Document:
    key = _key(source, number)
    text = "\n\n".join(f"## Part {part}\n\n" + f"The page of {key} has version {version}. " * 12 for part in range(3))
    metadata = {"url": f"https://example.org/{key}", "title": key, "source": source, "kind": "page"}
    return Document(id_=f"{source}:{number}", text=text, metadata=metadata)


def _key(source: str, number: int) -> str:
    return f"key{source.removeprefix('pages')}x{number}"


class _Process:
    """What one process does until the time is over, and what it counts."""

    def __init__(self, engine: Engine, until: float, number: int) -> None:
        self.engine, self.store, self.number = engine, engine.store, number
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.chance = random.Random(number)
        self._until = until

    def repeat(self, step: Callable[[], None], pause: float) -> None:
        """Repeat a step with pauses; whatever it raises but a busy source is wrong."""
        while time.time() < self._until:
            try:
                step()
            except SourceBusy:
                self.counts["busy"] += 1
            except Exception as error:  # noqa: BLE001 - every one is reported
                self.wrong.append(f"{type(error).__name__}: {error} {traceback.format_exc()[-400:]}")
            time.sleep(self.chance.uniform(0, 2 * pause))

    def sync(self) -> None:
        """Sync a source that another process syncs, too, or one that is new."""
        is_new = self.chance.random() < 0.05
        made = self.counts["syncs of new sources"]
        name = f"pages{100 + self.number}{made}" if is_new else f"pages{self.number % _SOURCES}"
        try:
            self._services()[0].ingest(_Counted(name, self.store, _DOCUMENTS_OF_NEW if is_new else _DOCUMENTS))
        except ConfigurationError:
            self.counts["another model meanwhile"] += 1
            return
        self.counts["syncs of new sources" if is_new else "syncs"] += 1
        self.counts[f"version of {name}"] += 1

    def switch(self) -> None:
        """Re-index for the model that the active index does not have, or roll back to the one before."""
        active = self.store.indexes.filled()
        other = _MODELS[active.embedding_model == _MODELS[0]]
        can_roll_back = any(was_active for _, was_active in self.store.indexes.others())
        if self.chance.random() < 0.5 or not can_roll_back:
            self._services(other)[1].reindex()
            self.counts["re-indexed"] += 1
        else:
            self._services()[1].roll_back()
            self.counts["rolled back"] += 1

    def ask(self) -> None:
        """Search, and ask; what is found must be what was asked for, in one version."""
        key = _key(f"pages{self.chance.randrange(_SOURCES)}", self.chance.randrange(_DOCUMENTS))
        found = self.engine.questions.search(f"Which version has {key}?", mode="dense", top_k=1)
        self.counts["searches"] += 1
        if [result.title for result in found] != [key]:
            self.wrong.append(f"the vector of {key} found {[result.title for result in found]}")
        answer = self.engine.questions.ask(f"Which version has the page of {key}?")
        self.counts["answers"] += 1
        if not any(source.title == key for source in answer.sources):
            self.wrong.append(f"the answer about {key} cites {[source.title for source in answer.sources]}")
        quoted = {source.title: set(re.findall(r"version (\d+)", source.quote or "")) for source in answer.sources}
        self.counts["answers that quote two versions of a page"] += any(len(found) > 1 for found in quoted.values())

    def _services(self, model: str | None = None) -> tuple[Syncs, Indexing]:
        active = self.store.indexes.active()
        model = model or (active.embedding_model if active else _MODELS[0])
        settings = self.engine.settings.model_copy(update={"embedding_model": model})
        indexing = Indexing(self.store, _KeyEncoders(settings), model=model)
        opener = SourceOpener(settings, self.store)
        return Syncs(self.store, opener, indexing, _KeyEncoders(settings), log_days=90), indexing


def run_together(seconds: float) -> Iterator[Table]:
    """Yield what the processes counted, and what was wrong."""
    with tempfile.TemporaryDirectory(prefix="rag-chaos-") as folder:
        home = Path(folder) / "home"
        try:
            dsn = embedded_dsn(home)
            with Database(dsn, embedded=True) as database:
                first = _Process(_engine(home, database), 0, 0)
                for number in range(_SOURCES):
                    syncs = first._services()[0]
                    syncs.ingest(_Counted(f"pages{number}", first.store, _DOCUMENTS))
            until = time.time() + seconds
            children = [_begin(home, dsn, until, number) for number in range(_SYNCS + _ASKERS + 1)]
            late = until + 60
            ends = [_end(child, late) for child in children]
            counts: Counter[str] = Counter()
            wrong: list[str] = [f"process {number} did not end" for number, ended in enumerate(ends) if not ended]
            for path in home.glob("process-*.json"):
                found = json.loads(path.read_text())
                counts.update(found["counts"])
                wrong += found["wrong"]
            wrong += _lost(dsn, counts)
            yield from _tables(seconds, counts, wrong, dsn)
        finally:
            stop_embedded(home)


def _engine(home: Path, database: Database) -> Engine:
    (home / "sources.toml").touch()
    settings = Settings(_env_file=None, RAG_HOME=home, RAG_SOURCES=home / "sources.toml", RAG_LLM="extractive")
    engine = Engine(settings, database)
    engine.encoders = _KeyEncoders(settings)
    return engine


def _begin(home: Path, dsn: str, until: float, number: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        with Database(dsn, embedded=True) as database:
            process = _Process(_engine(home, database), until, number)
            if number < _SYNCS:
                process.repeat(process.sync, pause=8.0)
            elif number < _SYNCS + _ASKERS:
                process.repeat(process.ask, pause=0.05)
            else:
                process.repeat(process.switch, pause=0.02)
        found = {"counts": process.counts, "wrong": process.wrong}
        (home / f"process-{number}.json").write_text(json.dumps(found))
    finally:
        os._exit(0)


def _end(child: int, late: float) -> bool:
    """Return whether a process has ended in time; a deadlock would keep it for ever."""
    while time.time() < late:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return True
        time.sleep(0.1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


def _lost(dsn: str, counts: Counter[str]) -> list[str]:
    """Return which updates were lost: each sync has counted its source's cursor up, and has written every document."""
    with psycopg.connect(dsn) as connection:
        cursors: dict[str, int] = dict(
            connection.execute("SELECT name, (cursor->>'version')::int FROM sources").fetchall()
        )
        texts = connection.execute("SELECT source, id, text FROM documents").fetchall()
        forms = invariants.Allowed.of(invariants.documents(dsn))
        wrong = invariants.violations_in(connection, forms)
        index = next(name for (name,) in connection.execute("SELECT name FROM indexes WHERE active"))
        indexed = connection.execute(f"SELECT document_id, text FROM data_{index}").fetchall()
    for name, version in cursors.items():
        expected = counts.pop(f"version of {name}", 0) + (name in {f"pages{number}" for number in range(_SOURCES)})
        if (version or 0) != expected:
            wrong.append(f"{name}: {expected} syncs have ended, and the cursor counts {version}")
    versions = {document: cursors[source] for source, document, _ in texts}
    for what, rows in (("document", [(name, text) for _, name, text in texts]), ("chunk", indexed)):
        for name, text in rows:
            if set(re.findall(r"version (\d+)", text)) - {str(versions[name])}:
                wrong.append(f"{name}: a {what} is not of version {versions[name]}")
    chunked = {name for name, _ in indexed}
    wrong += [f"{name} has no chunk in the active index" for name in versions if name not in chunked]
    return wrong


def _tables(seconds: float, counts: Counter[str], wrong: list[str], dsn: str) -> Iterator[Table]:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    table = Table(
        f"{_SYNCS} syncs, {_ASKERS} askers, re-indexing and rolling back for {seconds:.0f} s", ["what", "times"]
    )
    for name, times in sorted(counts.items()):
        table.add(name, times)
    table.add("deadlocks that Postgres resolved", row[0] if row else 0)
    table.add("wrong", len(wrong))
    yield table
    yield from wrong_table(wrong)
