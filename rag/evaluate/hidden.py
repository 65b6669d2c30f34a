"""Search without a thread and without everything written after its creation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urldefrag

from rag.engine import Engine
from rag.evaluate.queries import Query
from rag.search.results import SearchResult
from rag.search.searcher import QueryEncoder, Searcher
from rag.store.index_info import IndexInfo
from rag.store.store import Store

__all__ = ["HiddenSearcher"]

# More than a search can return: hiding then leaves every visible result.
_EVERYTHING = 1000


class HiddenSearcher(Searcher):
    """A searcher that excludes what a query hides, and keeps the best score of its last search.

    A chunk is hidden if any part of it was written too late. Pages and files have no such times and are never hidden
    by time.
    """

    def __init__(self, store: Store, index: IndexInfo, encoder: QueryEncoder, query: Query) -> None:
        super().__init__(store, index, encoder)
        self._chunks, self._at = store.chunks, index
        self._query = query
        #: of the last search, in [0, 1]; 0 without a result
        self.best_score = 0.0

    @classmethod
    def of(cls, engine: Engine, query: Query) -> Self:
        """Return a searcher of the active index for a query.

        :raises ConfigurationError: the index is empty
        """
        return engine.questions.searcher_made_by(lambda store, index, encoder: cls(store, index, encoder, query))

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, per_document: int = 1, about: str = ""
    ) -> list[SearchResult]:
        """Return the best visible chunks, best first."""
        if not self._query.is_blinded:
            found = super().search(question, top_k=top_k, source=source, per_document=per_document, about=about)
        else:
            everything = super().search(
                question, top_k=_EVERYTHING, source=source, per_document=_EVERYTHING, about=about
            )
            found = self._visible(everything, top_k, per_document)
        self.best_score = max((result.score for result in found), default=0.0)
        return found

    def around(self, results: Sequence[SearchResult], reach: int) -> list[SearchResult]:
        """Return the visible chunks before and after these."""
        near = super().around(results, reach)
        return self._visible(near, len(near), len(near)) if self._query.is_blinded else near

    def openings(self, results: Sequence[SearchResult], most: int) -> list[SearchResult]:
        """Return the visible first chunks of the documents of results."""
        found = super().openings(results, most)
        return self._visible(found, len(found), 1) if self._query.is_blinded else found

    def _visible(self, results: list[SearchResult], top_k: int, per_document: int) -> list[SearchResult]:
        hidden = {urldefrag(url).url for url in self._query.hide}
        before = self._query.before
        said_at = self._chunks.said_at(self._at, [result.chunk_id for result in results]) if before else {}
        taken: dict[str, int] = {}
        visible: list[SearchResult] = []
        for result in results:
            at = said_at.get(result.chunk_id)
            too_late = before is not None and at is not None and _time(at) >= before
            if too_late or urldefrag(result.url).url in hidden or taken.get(result.document_id, 0) == per_document:
                continue
            taken[result.document_id] = taken.get(result.document_id, 0) + 1
            visible.append(replace(result, rank=len(visible) + 1))
        return visible[:top_k]


def _time(iso: str) -> datetime:
    time = datetime.fromisoformat(iso)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
