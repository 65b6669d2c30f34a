"""Writing: documents, their chunks and the cursor that covers them, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from llama_index.core.schema import Document

from rag.ingest.report import Failure, printable
from rag.sources import Change, Changed, Failed, Noticed, Removed, Unchanged
from rag.store.chunks import ChunkRow
from rag.store.documents import DocumentRow
from rag.store.index_info import IndexInfo
from rag.store.store import Store, Transaction
from rag.trust.urls import shown_in

__all__ = ["Tally", "Writer"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """Counts while a sync runs."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    chunks_added: int = 0
    chunks_deleted: int = 0
    errors: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: the number of stored documents that the source has mentioned
    mentioned: int = 0

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        for field_ in fields(self):
            setattr(self, field_.name, getattr(self, field_.name) + getattr(other, field_.name))


class Writer:
    """Writes documents and their chunks into an index."""

    def __init__(self, store: Store, index: IndexInfo) -> None:
        self._store = store
        self._index = index

    def write(
        self, source: str, changes: Sequence[Change], known: Mapping[str, str], chunks: Mapping[str, Sequence[ChunkRow]]
    ) -> Tally:
        """Write changes in one transaction, together with what the source records for each.

        :param known: the hashes of the stored documents that the changes mention, by document id
        :param chunks: by document id
        :raises DatabaseError: nothing of the changes is kept
        """
        tally = Tally(mentioned=len(known))
        written: list[DocumentRow] = []
        removed: list[str] = []
        for change in changes:
            _count(change, known, tally)
            match change:
                case Changed(document, _) if known.get(document.id_) != document.hash:
                    written.append(_document_row(source, document))
                case Removed(document_id, _):
                    removed.append(document_id)
                case Failed(url, error, _):
                    log.warning("%s: %s", printable(url), printable(error))
                case Noticed(message):
                    log.warning("%s: %s", source, printable(message))
        records = [change.record for change in changes if not isinstance(change, Failed | Noticed) and change.record]
        if written or removed or records:
            with self._store.transaction() as transaction:
                transaction.documents.put(written)
                kept = {row.id: chunks.get(row.id, ()) for row in written} | dict.fromkeys(removed, ())
                added, deleted = self.replace_chunks(transaction, source, kept)
                transaction.documents.delete(removed)
                for record in records:
                    record(transaction)
                transaction.answers.mark_stale(self._index, list(kept))
            tally.chunks_added += added
            tally.chunks_deleted += deleted
        return tally

    def replace_chunks(
        self, transaction: Transaction, source: str, documents: Mapping[str, Sequence[ChunkRow]]
    ) -> tuple[int, int]:
        """Write the new chunks of documents and remove the old ones; return the numbers written and removed."""
        index = self._index
        before = transaction.chunks.ids(index, documents.keys())
        wanted = {chunk.node_id for chunks in documents.values() for chunk in chunks}
        new = [(name, chunk) for name, chunks in documents.items() for chunk in chunks if chunk.node_id not in before]
        kept = [chunk for chunks in documents.values() for chunk in chunks if chunk.node_id in before]
        old = sorted(before - wanted)
        transaction.chunks.delete(index, source, old)
        transaction.chunks.add(index, source, new)
        transaction.chunks.move(index, kept)
        return len(new), len(old)


def _count(change: Change, known: Mapping[str, str], tally: Tally) -> None:
    match change:
        case Changed(document, _) if document.id_ not in known:
            tally.added += 1
        case Changed(document, _) if known[document.id_] != document.hash:
            tally.updated += 1
        case Changed() | Unchanged():
            tally.unchanged += 1
        case Removed(document_id, _):
            tally.deleted += document_id in known
        case Failed(url, error, _):
            tally.errors.append(Failure(printable(shown_in(url)), printable(shown_in(error))))
        case Noticed(message):
            tally.warnings.append(printable(shown_in(message)))


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
