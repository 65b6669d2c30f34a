"""What a search returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag.trust.authorship import Thread, Voice

__all__ = ["SearchResult", "search_json"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A chunk that was found. `score`, in [0, 1], is the estimated probability that it is relevant to the question."""

    rank: int
    chunk_id: str
    document_id: str
    url: str
    title: str
    source: str
    kind: str
    heading: str
    text: str
    score: float
    #: (offset in the text, fragment) of every place in the text that can be linked to, where there are several
    anchors: tuple[tuple[int, str], ...] = ()
    #: (offset in the text, who says what follows), ascending; empty for a page or a file
    voices: tuple[tuple[int, Voice], ...] = ()
    #: None for a page or a file
    thread: Thread | None = None
    #: its place among the chunks of its document, from 0
    ordinal: int = 0
    #: it does not begin its section: the chunk before it has the same heading
    goes_on: bool = False
    #: it was not found itself: a chunk beside it was, whose text runs over the edge between them
    is_neighbour: bool = False
    #: the similarity of its vector to the question's, its BM25 score, and the share of the question's terms that it
    #: holds, weighted by idf; 0 for a neighbour
    cosine: float = 0.0
    bm25: float = 0.0
    coverage: float = 0.0

    def voice_at(self, offset: int) -> Voice | None:
        """Return who says what stands at an offset in the text; None for a page or a file."""
        first = self.voices[0][1] if self.voices else None
        return next((voice for start, voice in reversed(self.voices) if start <= offset), first)

    def url_at(self, offset: int) -> str:
        """Return the link to the place nearest above an offset in the text."""
        fragment = next((name for start, name in reversed(self.anchors) if start <= offset), None)
        return f"{self.url.partition('#')[0]}#{fragment}" if fragment else self.url


def search_json(question: str, results: Sequence[SearchResult], seconds: float) -> dict[str, Any]:
    """Return the shape that `rag.ask --search-only --json` prints."""
    keys = ("rank", "url", "title", "source", "kind", "score", "text")
    return {
        "question": question,
        "results": [{key: getattr(result, key) for key in keys} for result in results],
        "timings": {"retrieve": seconds, "total": seconds},
    }
