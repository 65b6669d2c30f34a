"""Batches: the changes of a source, or stored documents, that are cut, embedded and written together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from llama_index.core.schema import BaseNode

from rag.errors import RagError
from rag.sources import Change, Changed, Checkpoint, Failed, Removed, Unchanged
from rag.store.chunks import ChunkRow
from rag.store.documents import DocumentRow

__all__ = ["Batch", "StoredBatch", "Work", "batches", "document_ids"]

_MOST_CHANGES = 200
# In seconds. Three batches are between the source and the index, so an interruption loses a few times this, and what
# the source has fetched ahead.
_LONGEST_READ = 0.3


@dataclass(slots=True, kw_only=True)
class Work:
    """Documents on their way through the pipeline."""

    nodes: list[BaseNode] = field(default_factory=list)
    #: by document id
    chunks: dict[str, list[ChunkRow]] = field(default_factory=dict)
    #: why documents cannot be cut, embedded or stored, by document id
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Batch(Work):
    """Changes of a source; `chunks` holds those of the documents that were new or changed when they were cut."""

    changes: Sequence[Change]
    #: set when the changes are committed
    committed: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class StoredBatch(Work):
    """Stored documents that are indexed again."""

    rows: Sequence[DocumentRow]


def batches(changes: Iterable[Change], stopped: threading.Event, *, characters: int) -> Iterator[Batch]:
    """Cut a stream of changes into batches; a checkpoint ends a batch, and so does an error.

    A batch also ends when a change comes 0.3 s or more after the batch before: the changes of a slow source are
    committed one by one, and nothing waits for what comes late.

    A source may rely on what it recorded before a checkpoint, so its next change is requested only after the batch is
    committed.

    :param characters: a batch ends when its documents reach this number of characters
    """
    batch: list[Change] = []
    held = 0
    ended = time.monotonic()
    try:
        for change in changes:
            batch.append(change)
            if isinstance(change, Changed):
                held += len(change.document.text)
            if isinstance(change, Checkpoint):
                yield (made := Batch(batch))
                while not (made.committed.wait(0.1) or stopped.is_set()):
                    pass
            elif held >= characters or len(batch) >= _MOST_CHANGES or time.monotonic() - ended >= _LONGEST_READ:
                yield Batch(batch)
            else:
                continue
            # The time that the pipeline needs to take the batch does not count.
            batch, held, ended = [], 0, time.monotonic()
    except RagError:
        if batch:
            yield Batch(batch)
        raise
    if batch:
        yield Batch(batch)


def document_ids(change: Change) -> tuple[str, ...]:
    """Return the id of the document that a change is about, if there is one."""
    match change:
        case Changed(document, _):
            return (document.id_,)
        case Unchanged(document_id, _) | Removed(document_id, _):
            return (document_id,)
        case Failed(_, _, document_id) if document_id:
            return (document_id,)
        case _:
            return ()
