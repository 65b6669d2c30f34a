"""The ingestion pipeline: documents to chunks to embeddings to the store.

Three threads read a source, cut its documents and embed their chunks, each one batch ahead of the next: the embedder
never waits for a batch, and a slow embedder holds the source back instead of filling the memory. The caller's thread
writes. A crash anywhere leaves the index as it was before or after a document, never between; the next run finishes
the work.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, TypeVar

from llama_index.core.schema import Document, TransformComponent

from rag.embedding.cache import CachedEncoder
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import DatabaseUnavailable, Unstorable
from rag.ingest.ahead import ahead, in_own_thread
from rag.ingest.batches import Batch, StoredBatch, Work, batches, document_ids
from rag.ingest.compaction import QUEUED_CHUNKS, Compaction
from rag.ingest.preparation import Preparation
from rag.ingest.report import Failure, SyncReport
from rag.ingest.writing import Tally, Writer
from rag.sources import Change, Changed, Checkpoint, Failed, Removed, Source, Unchanged
from rag.store.chunks import ChunkRow
from rag.store.documents import DocumentRow
from rag.store.index_info import IndexInfo
from rag.store.store import Store

__all__ = ["Ingestion", "Progress"]

log = logging.getLogger(__name__)

#: Called with the report so far: after each batch, and in the thread that reads while documents arrive.
Progress = Callable[[SyncReport], None]

# A batch is embedded together: enough text that sorting by length pays, little enough that a crash loses seconds.
_BATCH_CHARACTERS = 400_000
# Below this number of chunks, exact search is faster than HNSW is worth; measured at 384 dimensions.
_HNSW_FROM = 2_000
# pgvector's limit for halfvec; longer vectors are searched exactly.
_HNSW_MOST_DIMENSIONS = 4_000

# In seconds between two reports while documents arrive.
_REPORT_EVERY = 0.1

_AnyWork = TypeVar("_AnyWork", bound=Work)


class Ingestion:
    """Updates an index with the changes of sources.

    :param chunker: a LlamaIndex node parser whose nodes carry `url` and `heading` in their metadata
    :param encoder: makes the vectors of `index`
    :param embedding_workers: the processes that `encoder` shares its work with
    """

    def __init__(
        self,
        store: Store,
        index: IndexInfo,
        chunker: TransformComponent,
        encoder: CachedEncoder,
        *,
        embedding_workers: EmbeddingWorkers | None = None,
    ) -> None:
        self._store = store
        self._index = index
        self._encoder = encoder
        self._writer = Writer(store, index)
        self._batches_at_once = embedding_workers.batches if embedding_workers else 0
        self._batch_characters = embedding_workers.characters if embedding_workers else _BATCH_CHARACTERS
        self._documents = Preparation(chunker, encoder)

    def sync(
        self, source: Source, *, full: bool = False, partial: bool = False, progress: Progress | None = None
    ) -> SyncReport:
        """Read what changed in a source and commit it.

        :param full: read the whole source again and remove what was deleted upstream
        :param partial: the source is one window of a backfill: documents that it does not mention are not counted, and
            HNSW indexes are left to the sync that follows the windows
        :returns: the outcome; its state is "failed" if the source broke off or anything in it could not be read
        """
        started = time.monotonic()
        tally = Tally()
        embedded_before = self._encoder.embedded
        stored_before = 0 if partial else self._store.documents.count(source.name)

        fetched = 0

        def report(state: Literal["completed", "failed"]) -> SyncReport:
            return SyncReport(
                name=source.name,
                kind=source.kind,
                state=state,
                fetched=fetched,
                seen=tally.added + tally.updated + tally.unchanged + len(tally.errors),
                added=tally.added,
                updated=tally.updated,
                unchanged=tally.unchanged,
                deleted=tally.deleted,
                failed=len(tally.errors),
                chunks_added=tally.chunks_added,
                chunks_deleted=tally.chunks_deleted,
                embedded=self._encoder.embedded - embedded_before,
                requests=source.requests,
                seconds=time.monotonic() - started,
                errors=tuple(tally.errors),
                warnings=tuple(tally.warnings),
            )

        def read(stopped: threading.Event) -> Iterator[Batch]:
            return batches(counted(), stopped, characters=self._batch_characters)

        def counted() -> Iterator[Change]:
            nonlocal fetched
            reported = 0.0
            for change in source.changes(full=full):
                fetched += not isinstance(change, Checkpoint)
                if progress and time.monotonic() - reported >= _REPORT_EVERY:
                    progress(report("completed"))
                    reported = time.monotonic()
                yield change

        def waiting() -> None:
            if progress:  # a crawl sends requests before it knows its first document
                progress(report("completed"))

        compaction = Compaction(self._store, self._index, source.name)
        try:
            # Closed here, since the traceback of an error would keep the threads of an open generator alive.
            with contextlib.closing(self._ready(read, self._cut, waiting=waiting)) as ready:
                for batch in ready:
                    self._commit(source.name, batch, tally)
                    batch.committed.set()
                    compaction.queued(tally.chunks_added)
                    if progress:
                        progress(report("completed"))
            compaction.finish()
            if not partial and self._store.indexes.size(self._index).chunks >= _HNSW_FROM:
                self._build_hnsw()
        finally:
            compaction.close()
        tally.errors += self._uncompacted(compaction)
        # The cursor says that documents which the source does not mention are unchanged.
        tally.unchanged += max(0, stored_before - tally.mentioned)
        return report("failed" if tally.errors else "completed")

    def reindex(self, *, progress: Callable[[int], None] | None = None) -> int:
        """Cut and embed every stored document into this index; nothing is fetched.

        Continues where an interrupted run stopped.

        :param progress: called after each batch with the number of documents done
        :returns: the number of documents done
        """
        done = queued = 0
        sources: set[str] = set()
        with contextlib.closing(self._ready(self._stored, self._cut_stored)) as ready:
            for batch in ready:
                rows, chunks = batch.rows, batch.chunks
                for row_id, reason in batch.refused.items():
                    log.warning("%s is left out of the index: %s", row_id, reason)
                rows = [row for row in rows if row.id not in batch.refused]
                for source, documents in groupby(sorted(rows, key=lambda row: row.source), key=lambda row: row.source):
                    self._reindex_documents(source, list(documents), chunks)
                done += len(rows)
                queued += sum(map(len, chunks.values()))
                sources |= {row.source for row in rows}
                if queued >= QUEUED_CHUNKS:
                    for source in sources:
                        self._store.postings.compact(self._index, source)
                    queued = 0
                if progress:
                    progress(done)
        for status in self._store.sources.status():
            self._store.postings.compact(self._index, status.name, thorough=True)
        self._build_hnsw()
        return done

    def _reindex_documents(
        self, source: str, documents: Sequence[DocumentRow], chunks: Mapping[str, Sequence[ChunkRow]]
    ) -> None:
        try:
            with self._store.transaction() as transaction:
                self._writer.replace_chunks(transaction, source, {row.id: chunks[row.id] for row in documents})
        except Unstorable as error:
            if len(documents) == 1:
                log.warning("%s is left out of the index: %s", documents[0].id, error)
                return
            for row in documents:
                self._reindex_documents(source, [row], chunks)

    def _uncompacted(self, compaction: Compaction) -> list[Failure]:
        """Return the failures of documents whose terms the database refused to pack."""
        found = self._store.chunks.by_id(self._index, sorted(compaction.refused))
        reason = "The database refused to pack its terms. It is found all the same; the next sync tries again."
        return [Failure(url, reason) for url in sorted({chunk.url for chunk in found.values()})]

    def _build_hnsw(self) -> None:
        if self._index.dimension <= _HNSW_MOST_DIMENSIONS:
            self._store.vectors.build(self._index)

    def _stored(self, stopped: threading.Event) -> Iterator[StoredBatch]:
        """Yield the stored documents that the index lacks."""
        batch: list[DocumentRow] = []
        after = ""
        while not stopped.is_set() and (rows := self._store.documents.missing_from(self._index, after=after)):
            batch += rows
            after = rows[-1].id
            if sum(len(row.text) for row in batch) >= self._batch_characters:
                yield StoredBatch(batch)
                batch = []
        if batch:
            yield StoredBatch(batch)

    def _ready(
        self,
        read: Callable[[threading.Event], Iterator[_AnyWork]],
        cut: Callable[[_AnyWork], _AnyWork],
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> Generator[_AnyWork]:
        """Yield cut and embedded batches; each step already works on the next batch.

        :param read: yields the batches as read, until the event is set
        :param waiting: called now and then while no batch is ready
        """
        stopped = threading.Event()
        cuts = ahead("cut", map(cut, ahead("read", read(stopped), stopped)), stopped)
        if self._batches_at_once:
            most = max(1, self._batches_at_once - 1)
            begun = ahead(
                "embed", (in_own_thread(self._embed, batch) for batch in cuts), stopped, items=most, waiting=waiting
            )
            embedded = (future.result() for future in begun)
        else:
            embedded = ahead("embed", map(self._embed, cuts), stopped, waiting=waiting)
        try:
            for batch in embedded:  # noqa: UP028 - "yield from" would close it before it is told to stop
                yield batch
        finally:
            stopped.set()
            embedded.close()

    def _cut(self, batch: Batch) -> Batch:
        changed = [change.document for change in batch.changes if isinstance(change, Changed)]
        documents = {document.id_: document for document in changed}
        batch.refused = self._documents.refused(documents.values())
        whole = {name: document for name, document in documents.items() if name not in batch.refused}
        known = self._store.documents.known_hashes(whole)
        new = [document for name, document in whole.items() if known.get(name) != document.hash]
        self._documents.cut(batch, new)
        return batch

    def _cut_stored(self, batch: StoredBatch) -> StoredBatch:
        self._documents.cut(batch, [Document(id_=row.id, text=row.text, metadata=row.metadata) for row in batch.rows])
        return batch

    def _embed(self, batch: _AnyWork) -> _AnyWork:
        self._documents.embed(batch)
        return batch

    def _commit(self, source: str, batch: Batch, tally: Tally) -> None:
        changes = [_refused(change, batch.refused) for change in batch.changes]
        mentioned = [document_id for change in changes for document_id in document_ids(change)]
        known = self._store.documents.known_hashes(set(mentioned))
        self._catch_up(batch, changes, known)
        changes = [_refused(change, batch.refused) for change in changes]
        # One transaction for the batch costs a tenth of one for each document. If the batch holds a document twice, or
        # the database refuses one of its documents, the documents are written one by one, so that the others are kept.
        try:
            if len(mentioned) == len(set(mentioned)):
                tally.add(self._writer.write(source, changes, known, batch.chunks))
                return
        except (Unstorable, DatabaseUnavailable) as error:
            log.info("%s: writing a batch one by one: %s", source, error)
        for change in changes:
            tally.add(self._write_one(source, change, batch.chunks))

    def _catch_up(self, batch: Batch, changes: Sequence[Change], known: Mapping[str, str]) -> None:
        """Cut and embed what was unchanged when the batch was cut, but which the batch before it has changed."""
        documents = [change.document for change in changes if isinstance(change, Changed)]
        late = [
            document
            for document in documents
            if document.id_ not in batch.chunks and known.get(document.id_) != document.hash
        ]
        if late:
            self._documents.cut(batch, late)
            self._documents.embed(batch)

    def _write_one(self, source: str, change: Change, chunks: Mapping[str, Sequence[ChunkRow]]) -> Tally:
        """Write one change; if the database refuses it, report it as failed."""
        known = self._store.documents.known_hashes(document_ids(change))
        try:
            return self._writer.write(source, [change], known, chunks)
        except Unstorable as error:
            failed = _failed(change, str(error))
            if failed is None:
                raise
            return self._writer.write(source, [failed], known, chunks)


def _refused(change: Change, reasons: Mapping[str, str]) -> Change:
    """Return a change, or the failure of its document if that was refused."""
    if isinstance(change, Changed) and (reason := reasons.get(change.document.id_)):
        return _failed(change, reason) or change
    return change


def _failed(change: Change, reason: str) -> Failed | None:
    """Return the failure of a change whose document cannot be stored; None if the change is about no document."""
    match change:
        case Changed(document, _):
            return Failed(str(document.metadata.get("url", document.id_)), reason, document.id_)
        case Unchanged(document_id, _) | Removed(document_id, _):
            return Failed(document_id, reason, document_id)
        case Checkpoint(_, about) if about:
            return Failed(about, reason)
        case _:
            return None
