"""The documents of the index: found by id or URL, with their sections, the texts of chunks, and how old they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from rag.store.documents import DocumentRow, Section, Version
from rag.store.store import Store
from rag.text.versions import newest_first

__all__ = ["Documents"]


class Documents:
    """Reads documents of the active index. Without an index there are documents, but no sections and no chunks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def at(self, places: Collection[str]) -> list[DocumentRow]:
        """Return the documents with one of these ids or URLs."""
        return self._store.documents.at(places)

    def sections(self, document_id: str) -> list[Section]:
        """Return the sections of a document, in order."""
        index = self._store.indexes.active()
        return self._store.documents.sections(index, document_id) if index else []

    def chunk_texts(self, node_ids: Sequence[str]) -> dict[str, str]:
        """Return the heading paths and texts of chunks by node id; a chunk that is gone is left out."""
        index = self._store.indexes.active() if node_ids else None
        return self._store.chunks.texts(index, node_ids) if index else {}

    def versions(self, node_ids: Sequence[str]) -> dict[str, Version]:
        """Return the ages of the documents of chunks, by the chunk's node id."""
        index = self._store.indexes.active() if node_ids else None
        return self._store.documents.versions(index, node_ids) if index else {}

    def product_versions(self) -> list[str]:
        """Return the versions of the software that documents are about, the newest first; none if no source has one."""
        return newest_first(edition.version for edition in self._store.documents.editions())

    def last_success(self, sources: Sequence[str]) -> Mapping[str, datetime | None]:
        """Return when each source was last synced successfully; None if never."""
        return self._store.sources.last_success(sources) if sources else {}
