"""Documents: the text and metadata that chunks are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Json

from rag.store.index_info import IndexInfo
from rag.store.postgres.encoding import dump_json, is_storable, storable
from rag.store.statements import Reads, Writes

__all__ = ["DocumentRow", "DocumentWrites", "Documents", "Edition", "Section", "Version"]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A stored document; `hash` covers its text and metadata."""

    id: str
    source: str
    kind: str
    url: str
    title: str
    text: str
    metadata: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Section:
    """A chunk, as a part of its document."""

    heading: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Version:
    """What a source says of the age of a document; a field is None if it says nothing."""

    #: when it was last changed, in ISO 8601
    updated_at: str | None
    #: the Last-Modified header of a page
    last_modified: str | None
    #: the commit that a file was read at
    commit: str | None


@dataclass(frozen=True, slots=True)
class Edition:
    """A version of a product that documents are about."""

    product: str
    version: str
    #: whether it is of pages or files; otherwise of threads only
    is_of_pages: bool
    #: the source and the address of a page or a file; None: it is of threads only
    example: str | None = None

    @property
    def key(self) -> str:
        """The edition as a filter names it."""
        return f"{self.product} {self.version}"


class Documents(Reads):
    """The stored documents."""

    def at(self, places: Iterable[str]) -> list[DocumentRow]:
        """Return the documents with these ids or URLs, in no order."""
        wanted = [storable(place) for place in places]
        return [DocumentRow(*row) for row in self._rows("documents_at", {"ids": wanted, "urls": wanted})]

    def sections(self, index: IndexInfo, document: str) -> list[Section]:
        """Return the chunks of a document, in order."""
        return [Section(*row) for row in self._rows("document_sections", {"id": document}, index)]

    def versions(self, index: IndexInfo, node_ids: Sequence[str]) -> dict[str, Version]:
        """Return how old the documents of chunks are, by node id."""
        rows = self._rows("versions", {"node_ids": list(node_ids)}, index)
        return {row[0]: Version(*row[1:]) for row in rows}

    def editions(self, source: str | None = None) -> list[Edition]:
        """Return the versions that documents are about; none if no source has one.

        :param source: only those of this source
        """
        return [Edition(*row) for row in self._rows("editions", {"source": source})]

    def hashes(self, source: str) -> dict[str, str]:
        """Return the content hashes of the documents of a source, by document id."""
        return dict(self._rows("document_hashes", {"source": source}))

    def known_hashes(self, documents: Iterable[str]) -> dict[str, str]:
        """Return the content hashes of those documents that are stored, by id."""
        # An id that cannot be stored is not.
        return dict(self._rows("known_hashes", {"ids": [name for name in documents if is_storable(name)]}))

    def text(self, document_id: str) -> tuple[str, str] | None:
        """Return the title and the text of a document, None if it is not stored."""
        rows = self._rows("document_text", {"id": document_id})
        return (rows[0][0], rows[0][1]) if rows else None

    def ids(self, source: str, *, after: str = "", limit: int) -> list[str]:
        """Return the ids of a source's documents that sort after `after`, in order."""
        values = {"source": source, "after": after, "limit": limit}
        return [row[0] for row in self._rows("document_ids", values)]

    def count(self, source: str) -> int:
        """Return how many documents of a source are stored."""
        return int(self._rows("document_count", {"source": source})[0][0])

    def labels(self, source: str | None = None) -> list[str]:
        """Return the labels of all threads, or of those of one source; the most common first."""
        return [row[0] for row in self._rows("labels", {"source": source})]

    def missing_from(self, index: IndexInfo, *, after: str = "", limit: int = 100) -> list[DocumentRow]:
        """Return the documents that an index lacks or holds in an older version, by id, from `after` on."""
        values = {"name": index.name, "after": after, "limit": limit}
        return [DocumentRow(*row) for row in self._rows("documents_to_index", values, index)]


class DocumentWrites(Writes):
    """The documents, inside a transaction."""

    def put(self, documents: Sequence[DocumentRow]) -> None:
        """Insert or replace documents; `ChunkWrites` writes their chunks."""
        if documents:
            self._run("put_documents", {"rows": Json([asdict(row) for row in documents], dumps=dump_json)})

    def delete(self, ids: Sequence[str]) -> None:
        """Remove documents; remove their chunks first, so that the statistics stay right."""
        if ids:
            self._run("delete_documents", {"ids": list(ids)})
