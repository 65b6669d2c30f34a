"""Sources: each turns a configured place into a stream of changes, and reads only what may have changed.

Ingestion iterates over a source. The `record` of a change runs in the transaction that commits the change, so that what
a source remembers always agrees with the index.

Documents are LlamaIndex `Document`s whose text is Markdown with the anchors of `rag.text.anchors`: chunks below a line
that ends with ` {#fragment}` link to `url#fragment`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from llama_index.core.schema import Document

    from rag.store.store import Transaction

__all__ = [
    "MOST_REMOVED",
    "Change",
    "Changed",
    "Checkpoint",
    "Failed",
    "Noticed",
    "Record",
    "Removed",
    "Source",
    "Unchanged",
]

#: The share of a source's documents that one sync may remove by default, so that an outage, a redesign or an error in
#: the settings does not empty the index.
MOST_REMOVED = 0.5

Record = Callable[["Transaction"], None]


@dataclass(frozen=True, slots=True)
class Changed:
    """A document that is new or may have changed.

    `document.metadata` holds at least url, title, source and kind. It is part of the content hash, so it must be equal
    for two reads of the same content: no time of fetching.
    """

    document: Document
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A document that has not changed, which the source knows without reading it again."""

    document_id: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """A document that was deleted upstream."""

    document_id: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A page, file or thread that could not be read. The failure is reported, and its document stays."""

    url: str
    error: str
    #: the document that stays, if it is indexed: a full sync must not remove it
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that the maintainer of a source should know, although nothing failed; `message` is one sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State to commit without a document, such as a cursor that covers all changes before it.

    It is committed, with all changes before it, before the source yields its next change: after a checkpoint a source
    can read what it has recorded.
    """

    record: Record
    #: the address that the state is about, if the source can go on without it and reads it again next time: if the
    #: database refuses the state, the address is reported as failed
    about: str | None = None


Change = Changed | Unchanged | Removed | Failed | Noticed | Checkpoint


class Source(Protocol):
    """One configured place."""

    name: str
    kind: str

    @property
    def requests(self) -> int:
        """HTTP requests sent so far."""
        ...

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield the changes since the last sync.

        :param full: read everything again
        :raises SourceUnavailable: the source cannot be reached now, after its own retries
        :raises SourceError: the source refuses access, or does not match its configuration
        """
        ...
