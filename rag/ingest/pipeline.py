"""Documents to chunks to embeddings to the store, a document always in one transaction.

A source is read, its documents are cut, and their chunks are embedded in a thread each, a batch ahead of the next: the
embedder has its next batch when it is done with one, and a slow embedder holds the source back instead of filling the
memory. Writing is the caller's thread's. A crash anywhere leaves the index as it was before or after a document, never
between; running again finishes the work.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Literal, TypeVar

import numpy as np
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, Document, MetadataMode, TransformComponent
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from rag.embedding.cache import CachedEmbedding
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import DatabaseError, RagError
from rag.models import Failure, IndexInfo, SyncReport
from rag.sources import Change, Changed, Checkpoint, Failed, Removed, Source, Unchanged
from rag.store.store import ChunkRow, DocumentRow, Store, Transaction, storable
from rag.trust.secrets import masked

__all__ = ["QUEUED_CHUNKS", "Compaction", "Ingestion", "Progress"]

log = logging.getLogger(__name__)

#: Called after each batch with the report so far.
Progress = Callable[[SyncReport], None]

# A batch is embedded together: enough text that sorting by length pays, little enough that a crash loses seconds.
_BATCH_CHARACTERS = 400_000
_BATCH_CHANGES = 200
_PATIENCE_SECONDS = 2.0
#: The terms of so many chunks are written at once; while they wait, a search reads them from the chunks, 10 µs each.
QUEUED_CHUNKS = 2_000
# Below this, exact search is faster than the index is worth; measured at 384 dimensions.
_HNSW_FROM = 2_000
# pgvector's limit in half precision; longer vectors are searched exactly, by reading them all.
_HNSW_MOST_DIMENSIONS = 4_000


@dataclass(slots=True)
class _Tally:
    """Counts while a sync runs."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    chunks_added: int = 0
    chunks_deleted: int = 0
    errors: list[Failure] = field(default_factory=list)
    #: how many documents that were stored the source said anything about
    mentioned: int = 0

    def add(self, other: _Tally) -> None:
        """Count what another counted."""
        for field_ in fields(self):
            setattr(self, field_.name, getattr(self, field_.name) + getattr(other, field_.name))


@dataclass(slots=True, kw_only=True)
class _Work:
    """Documents that are written together, on their way."""

    nodes: list[BaseNode] = field(default_factory=list)
    #: by document id
    chunks: dict[str, list[ChunkRow]] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch(_Work):
    """Changes of a source; the chunks are those of documents that were new or changed when they were cut."""

    changes: Sequence[Change]
    #: set when they are written
    committed: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _StoredBatch(_Work):
    """Documents that are indexed anew."""

    rows: Sequence[DocumentRow]


_AnyWork = TypeVar("_AnyWork", bound=_Work)
T = TypeVar("T")


class Ingestion:
    """Bring an index in line with sources.

    :param chunker: a LlamaIndex node parser whose nodes carry `url` and `heading` in their metadata
    :param embedding: makes the vectors of `index`
    :param embedding_workers: the embedding workers of `embedding`, if any
    """

    def __init__(
        self,
        store: Store,
        index: IndexInfo,
        chunker: TransformComponent,
        embedding: CachedEmbedding,
        *,
        embedding_workers: EmbeddingWorkers | None = None,
    ) -> None:
        self._store = store
        self._index = index
        self._embedding = embedding
        self._helped = embedding_workers.batches if embedding_workers else 0
        self._batch_characters = embedding_workers.characters if embedding_workers else _BATCH_CHARACTERS
        # Its own cache hashes whole batches and its docstore commits apart from the vectors, so neither is used.
        self._cutting = IngestionPipeline(transformations=[chunker], disable_cache=True)
        self._embedding_of_nodes = IngestionPipeline(transformations=[embedding], disable_cache=True)

    def sync(
        self, source: Source, *, full: bool = False, partial: bool = False, progress: Progress | None = None
    ) -> SyncReport:
        """Read what changed in a source and commit it.

        :param full: read the whole source again and remove what is gone
        :param partial: the source is a part of one, a window: what it does not mention is not counted, and the
            vectors' index is left for the sync that follows the parts
        :returns: the outcome; its state is "failed" if the source broke off or anything in it could not be read
        """
        started = time.monotonic()
        tally = _Tally()
        embedded_before = self._embedding.embedded
        before = 0 if partial else self._store.document_count(source.name)

        def report(state: Literal["completed", "failed"]) -> SyncReport:
            return SyncReport(
                name=source.name,
                kind=source.kind,
                state=state,
                seen=tally.added + tally.updated + tally.unchanged + len(tally.errors),
                added=tally.added,
                updated=tally.updated,
                unchanged=tally.unchanged,
                deleted=tally.deleted,
                failed=len(tally.errors),
                chunks_added=tally.chunks_added,
                chunks_deleted=tally.chunks_deleted,
                embedded=self._embedding.embedded - embedded_before,
                requests=source.requests,
                seconds=time.monotonic() - started,
                errors=tuple(tally.errors),
            )

        def read(stopped: threading.Event) -> Iterator[_Batch]:
            return _batches(source.changes(full=full), stopped, characters=self._batch_characters)

        compaction = Compaction(self._store, self._index, source.name)
        try:
            # Closed here, since a traceback that somebody keeps would keep the threads of an open one.
            with contextlib.closing(self._ready(read, self._cut)) as batches:
                for batch in batches:
                    self._commit(source.name, batch, tally)
                    batch.committed.set()
                    compaction.queued(tally.chunks_added)
                    if progress:
                        progress(report("completed"))
            compaction.finish()
            if not partial and self._store.index_size(self._index).chunks >= _HNSW_FROM:
                self._build_hnsw()
        finally:
            compaction.close()
        # What the source did not mention, it knows to be as it was: that is what its cursor says.
        tally.unchanged += max(0, before - tally.mentioned)
        return report("failed" if tally.errors else "completed")

    def reindex(self, *, progress: Callable[[int], None] | None = None) -> int:
        """Cut and embed every stored document into this index; nothing is fetched.

        Goes on where an interrupted run stopped.

        :param progress: called after each batch with the number of documents done
        :returns: the number of documents done
        """
        done = queued = 0
        sources: set[str] = set()
        with contextlib.closing(self._ready(self._stored, self._cut_anew)) as batches:
            for batch in batches:
                rows, chunks = batch.rows, batch.chunks
                for source, documents in groupby(sorted(rows, key=lambda row: row.source), key=lambda row: row.source):
                    with self._store.transaction() as transaction:
                        self._replace_chunks(transaction, source, {row.id: chunks[row.id] for row in documents})
                done += len(rows)
                queued += sum(map(len, chunks.values()))
                sources |= {row.source for row in rows}
                if queued >= QUEUED_CHUNKS:
                    for source in sources:
                        self._store.compact_postings(self._index, source)
                    queued = 0
                if progress:
                    progress(done)
        for status in self._store.source_status():
            self._store.compact_postings(self._index, status.name, thorough=True)
        self._build_hnsw()
        return done

    def _stored(self, stopped: threading.Event) -> Iterator[_StoredBatch]:
        """Yield the stored documents that the index lacks."""
        batch: list[DocumentRow] = []
        after = ""
        while not stopped.is_set() and (rows := self._store.documents_to_index(self._index, after=after)):
            batch += rows
            after = rows[-1].id
            if sum(len(row.text) for row in batch) >= self._batch_characters:
                yield _StoredBatch(batch)
                batch = []
        if batch:
            yield _StoredBatch(batch)

    def _cut_anew(self, batch: _StoredBatch) -> _StoredBatch:
        batch.chunks = {row.id: [] for row in batch.rows}
        batch.nodes = self._nodes([Document(id_=row.id, text=row.text, metadata=row.metadata) for row in batch.rows])
        return batch

    def _build_hnsw(self) -> None:
        if self._index.dimension <= _HNSW_MOST_DIMENSIONS:
            self._store.build_hnsw(self._index)

    def _ready(
        self, read: Callable[[threading.Event], Iterator[_AnyWork]], cut: Callable[[_AnyWork], _AnyWork]
    ) -> Generator[_AnyWork]:
        """Yield batches that are cut and embedded, each of these steps being at work on the next one meanwhile.

        :param read: yields them as they were read, until the event is set
        """
        stopped = threading.Event()
        cuts = _ahead("cut", map(cut, _ahead("read", read(stopped), stopped)), stopped)
        if self._helped:
            begun = _ahead("embed", (_begun(self._embed, one) for one in cuts), stopped, items=max(1, self._helped - 2))
            embedded = (future.result() for future in begun)
        else:
            embedded = _ahead("embed", map(self._embed, cuts), stopped)
        try:
            for batch in embedded:  # noqa: UP028 - "yield from" would close it before it is told to stop
                yield batch
        finally:
            stopped.set()
            embedded.close()

    def _cut(self, batch: _Batch) -> _Batch:
        documents = {change.document.id_: change.document for change in batch.changes if isinstance(change, Changed)}
        for document in documents.values():
            _make_storable(document)
        known = self._store.known_hashes(documents)
        new = [document for name, document in documents.items() if known.get(name) != document.hash]
        batch.chunks = {document.id_: [] for document in new}
        batch.nodes = self._nodes(new)
        return batch

    def _embed(self, batch: _AnyWork) -> _AnyWork:
        self._add_rows(batch.nodes, batch.chunks)
        batch.nodes = []
        return batch

    def _commit(self, source: str, batch: _Batch, tally: _Tally) -> None:
        changes, chunks = batch.changes, batch.chunks
        mentioned = [document_id for change in changes for document_id in _mentioned(change)]
        known = self._store.known_hashes(set(mentioned))
        # The batch before may have written another version of a document that was as stored when this one was cut.
        documents = [change.document for change in changes if isinstance(change, Changed)]
        late = [one for one in documents if one.id_ not in chunks and known.get(one.id_) != one.hash]
        chunks |= self._chunks(late)
        # All in one transaction costs a tenth of one a document. What cannot be written so, because a document comes
        # twice or the database refuses one of them, is written one by one, so that the rest is kept.
        try:
            if len(mentioned) == len(set(mentioned)):
                tally.add(self._write(source, changes, known, chunks))
                return
        except DatabaseError as error:
            log.info("%s: writing a batch one by one: %s", source, error)
        for change in changes:
            current = self._store.known_hashes(_mentioned(change))
            tally.add(self._write(source, [change], current, chunks))

    def _write(
        self, source: str, changes: Sequence[Change], known: Mapping[str, str], chunks: Mapping[str, Sequence[ChunkRow]]
    ) -> _Tally:
        """Write changes in one transaction, each with what its source records of it."""
        tally = _Tally(mentioned=len(known))
        written = []
        gone = []
        for change in changes:
            match change:
                case Changed(document, _) if known.get(document.id_) != document.hash:
                    written.append(_document_row(source, document))
                    if document.id_ in known:
                        tally.updated += 1
                    else:
                        tally.added += 1
                case Changed() | Unchanged():
                    tally.unchanged += 1
                case Removed(document_id, _):
                    gone.append(document_id)
                    tally.deleted += document_id in known
                case Failed(url, error, _):
                    log.warning("%s: %s", url, error)
                    tally.errors.append(Failure(url, error))
        records = [change.record for change in changes if not isinstance(change, Failed) and change.record]
        if written or gone or records:
            with self._store.transaction() as transaction:
                transaction.put_documents(written)
                kept = {row.id: chunks.get(row.id, ()) for row in written} | dict.fromkeys(gone, ())
                added, deleted = self._replace_chunks(transaction, source, kept)
                transaction.delete_documents(gone)
                for record in records:
                    record(transaction)
                transaction.mark_answers_stale(self._index, list(kept))
            tally.chunks_added += added
            tally.chunks_deleted += deleted
        return tally

    def _chunks(self, documents: Sequence[Document]) -> dict[str, list[ChunkRow]]:
        """Cut and embed documents; return their chunks by document id."""
        rows: dict[str, list[ChunkRow]] = {document.id_: [] for document in documents}
        self._add_rows(self._nodes(documents), rows)
        return rows

    def _nodes(self, documents: Sequence[Document]) -> list[BaseNode]:
        return list(self._cutting.run(documents=list(documents), in_place=False)) if documents else []

    def _add_rows(self, nodes: Sequence[BaseNode], rows: dict[str, list[ChunkRow]]) -> None:
        if nodes:
            for node in self._embedding_of_nodes.run(nodes=list(nodes)):
                of_document = rows[node.ref_doc_id or ""]
                of_document.append(_chunk_row(node, len(of_document)))

    def _replace_chunks(
        self, transaction: Transaction, source: str, documents: Mapping[str, Sequence[ChunkRow]]
    ) -> tuple[int, int]:
        """Write the chunks of documents that are new and remove those that are gone; return how many of each."""
        index = self._index
        before = transaction.chunk_ids(index, documents.keys())
        wanted = {chunk.node_id for chunks in documents.values() for chunk in chunks}
        new = [(name, chunk) for name, chunks in documents.items() for chunk in chunks if chunk.node_id not in before]
        kept = [chunk for chunks in documents.values() for chunk in chunks if chunk.node_id in before]
        gone = sorted(before - wanted)
        transaction.delete_chunks(index, source, gone)
        transaction.add_chunks(index, source, new)
        transaction.move_chunks(index, kept)
        return len(new), len(gone)


class Compaction:
    """Writes the postings of a source's new chunks in a thread, while more of them come.

    :raises DatabaseError: from any method, if the database refused the last writing
    """

    def __init__(self, store: Store, index: IndexInfo, source: str) -> None:
        self._write = functools.partial(store.compact_postings, index, source)
        self._thread = ThreadPoolExecutor(1, "compact")
        self._writing: Future[None] | None = None
        self._written = 0
        self._finished = False

    def queued(self, chunks: int) -> None:
        """Say how many chunks were added since the beginning; waits if two writings are due."""
        if chunks - self._written >= QUEUED_CHUNKS:
            self._begin(thorough=False)
            self._written = chunks

    def finish(self) -> None:
        """Begin to write what is left, and to join the rows of what was a bulk."""
        self._begin(thorough=self._written > 0)
        self._finished = True

    def close(self) -> None:
        """Wait until everything that is queued is written."""
        try:
            if not self._finished:
                self.finish()
            self._wait()
        finally:
            self._thread.shutdown()

    def _begin(self, *, thorough: bool) -> None:
        self._wait()
        self._writing = self._thread.submit(self._write, thorough=thorough)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing:
            writing.result()


def _mentioned(change: Change) -> tuple[str, ...]:
    match change:
        case Changed(document, _):
            return (document.id_,)
        case Unchanged(document_id, _) | Removed(document_id, _):
            return (document_id,)
        case Failed(_, _, document_id) if document_id:
            return (document_id,)
        case _:
            return ()


def _make_storable(document: Document) -> None:
    """Drop what neither a hash nor Postgres can take, and mask secrets; pages and comments may hold anything."""
    text, title = document.text, str(document.metadata["title"])
    if (clean := masked(storable(text))) != text:
        document.set_content(clean)
    if (clean := masked(storable(title))) != title:
        document.metadata["title"] = clean


def _chunk_row(node: BaseNode, ordinal: int) -> ChunkRow:
    metadata = node_to_metadata_dict(node, remove_text=True, flat_metadata=False)
    return ChunkRow(
        node_id=node.node_id,
        ordinal=ordinal,
        text=node.get_content(MetadataMode.NONE),
        heading=str(node.metadata.get("heading", "")),
        url=str(node.metadata["url"]),
        metadata=metadata,
        embedding=np.asarray(node.get_embedding(), dtype=np.float32),
    )


def _document_row(source: str, document: Document) -> DocumentRow:
    metadata = document.metadata
    return DocumentRow(
        id=document.id_,
        source=source,
        kind=str(metadata["kind"]),
        url=str(metadata["url"]),
        title=str(metadata["title"]),
        text=document.text,
        metadata=metadata,
        hash=document.hash,
    )


def _batches(changes: Iterable[Change], stopped: threading.Event, *, characters: int) -> Iterator[_Batch]:
    """Cut a stream of changes into batches; a checkpoint ends one, and so does an error, after what came before it.

    Behind a checkpoint a source may rely on what it has recorded, so it is asked for more only when that is written.
    """
    batch: list[Change] = []
    held = 0
    try:
        for change in changes:
            batch.append(change)
            if isinstance(change, Changed):
                held += len(change.document.text)
            if isinstance(change, Checkpoint):
                yield (made := _Batch(batch))
                while not (made.committed.wait(0.1) or stopped.is_set()):
                    pass
            elif held >= characters or len(batch) >= _BATCH_CHANGES:
                yield _Batch(batch)
            else:
                continue
            batch, held = [], 0
    except RagError:
        if batch:
            yield _Batch(batch)
        raise
    if batch:
        yield _Batch(batch)


def _begun(work: Callable[[T], T], item: T) -> Future[T]:
    """Begin work in a thread of its own; a daemon, so that whoever interrupts us need not wait for others' work."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(item))
        except BaseException as error:  # noqa: BLE001 - raised again by who asks
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="helped", daemon=True).start()
    return future


def _ahead(name: str, source: Iterator[T], stopped: threading.Event, *, items: int = 1) -> Generator[T]:
    """Yield from an iterator that runs in a thread of its own, some items ahead of what is asked for."""
    ready: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=items)

    def put(item: T | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def run() -> None:
        try:
            for item in source:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again by who asks
            put(error)

    # What is logged there belongs to who asked.
    thread = threading.Thread(target=copy_context().run, args=(run,), name=name, daemon=True)
    thread.start()
    try:
        while not stopped.is_set():
            with contextlib.suppress(queue.Empty):
                item = ready.get(timeout=0.5)
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
    finally:
        # The thread may be waiting out a rate limit; it is a daemon, and whoever interrupts us need not wait with it.
        if stopped.is_set():
            thread.join(timeout=_PATIENCE_SECONDS)
