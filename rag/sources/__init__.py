"""Sources: each turns a configured place into a stream of changes, reading only what may have changed.

A source is iterated by ingestion. Whatever a change carries as `record` runs inside the transaction that
commits the change, so what a source remembers and what the index holds can never disagree.

Documents are LlamaIndex `Document`s whose text is Markdown. A heading, or the first line of any other block
outside a code fence, may end in ` {#fragment}` (the heading attribute of Pandoc and kramdown): chunks below it
link to `url#fragment`. Attributes may follow, ` {#fragment author="ann" answer="accepted"}`, which the chunks below
carry in their metadata. The chunker strips these marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from llama_index.core.schema import Document

    from rag.store.store import Transaction

__all__ = ["MOST_REMOVED", "Change", "Changed", "Checkpoint", "Failed", "Record", "Removed", "Source", "Unchanged"]

#: The share of a source's documents that one sync removes unless it is told to remove more: an outage, a redesign or a
#: slip in the settings must not empty an index.
MOST_REMOVED = 0.5

Record = Callable[["Transaction"], None]


@dataclass(frozen=True, slots=True)
class Changed:
    """A document that is new or may have changed.

    `document.metadata` holds at least url, title, source and kind, and nothing that differs between two reads
    of the same content (no time of fetching): it is part of the content hash.
    """

    document: Document
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A document that the source knows to be as it was, without reading it again."""

    document_id: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """A document that is gone at its origin."""

    document_id: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A thing that could not be read. It is counted and shown, and what is indexed of it stays."""

    url: str
    error: str
    #: the document that stays, where one is known: a full sync must not take it for gone
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State to commit by itself, such as a cursor that has moved past everything before it in the stream.

    It is committed, with all before it, before the source is asked for its next change: behind a checkpoint a
    source may read what it has recorded.
    """

    record: Record


Change = Changed | Unchanged | Removed | Failed | Checkpoint


class Source(Protocol):
    """One configured place."""

    name: str
    kind: str
    #: HTTP requests sent so far
    requests: int

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield what changed since the last sync; with `full`, read everything again.

        :raises SourceUnavailable: the source cannot be reached now, after its own retries
        :raises SourceError: the source refuses, or is not what the configuration says
        """
        ...
