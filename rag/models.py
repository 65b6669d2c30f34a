"""What crosses a border between two parts: frozen, typed, and free of behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

__all__ = [
    "Answer",
    "Backfill",
    "Evaluation",
    "Failure",
    "IndexInfo",
    "IndexSize",
    "Maintenance",
    "Page",
    "SearchResult",
    "Source",
    "SourceStatus",
    "SyncReport",
    "Trouble",
    "Window",
    "search_json",
]


@dataclass(frozen=True, slots=True)
class Page:
    """What a crawl remembers of one URL."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    links: tuple[str, ...] = ()
    document_id: str | None = None
    #: what the sitemap said of its last change when it was read
    lastmod: str | None = None


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """An index: one table of chunks with one embedding model and dimension."""

    name: str
    embedding_model: str
    dimension: int
    chunking: str


@dataclass(frozen=True, slots=True)
class IndexSize:
    """How much an index holds; `bytes` counts its tables with their indexes."""

    documents: int
    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Where one source stands."""

    name: str
    kind: str
    cursor: dict[str, Any]
    last_success: datetime | None
    last_error: str | None
    documents: int
    chunks: int
    #: runs that have failed since the last success
    failures: int = 0
    #: whether an alert went out since the last success
    alerted: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """A source that somebody should look at."""

    name: str
    failures: int
    last_success: datetime | None
    #: since the last success, or since the source is known
    age: timedelta
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What was cleared away."""

    #: embeddings that no sync had used for long
    embeddings: int
    #: names of indexes that were replaced long ago
    indexes: tuple[str, ...]
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be read, and why."""

    url: str
    error: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The outcome of one sync of one source; `seconds` is wall time."""

    name: str
    kind: str
    state: Literal["completed", "failed"]
    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    chunks_added: int = 0
    chunks_deleted: int = 0
    embedded: int = 0
    #: sent to an embedding model that is paid by the token, estimated
    tokens: int = 0
    requests: int = 0
    seconds: float = 0.0
    errors: tuple[Failure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `flows.ingest --json` prints for a source."""
        return {
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "documents": {
                "seen": self.seen,
                "added": self.added,
                "updated": self.updated,
                "unchanged": self.unchanged,
                "deleted": self.deleted,
                "failed": self.failed,
            },
            "chunks": {"added": self.chunks_added, "deleted": self.chunks_deleted},
            "embedded": self.embedded,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "errors": [{"url": failure.url, "error": failure.error} for failure in self.errors],
        }


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time, [start, end), that a backfill is cut into."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Backfill:
    """A span of a GitHub source's past, cut into windows, oldest first."""

    source: str
    #: the same until it is finished, so that windows which are done can be told after an interruption
    id: str
    #: whether the windows reach back to the beginning
    whole: bool
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A chunk that was found. `score` is in [0, 1]: how likely it is that the chunk bears on the question."""

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


@dataclass(frozen=True, slots=True)
class Source:
    """A source of an answer: marker [n], a link, and a quote that stands verbatim in the retrieved chunk."""

    n: int
    url: str
    title: str
    source: str
    kind: str
    score: float
    quote: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. Where `answered` is false, the sources do not say, and `sources` are the nearest pages."""

    question: str
    answered: bool
    answer: str
    sources: tuple[Source, ...]
    embedding_model: str
    llm: str
    timings: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.ask --json` prints."""
        return {
            "question": self.question,
            "answered": self.answered,
            "answer": self.answer,
            "sources": [asdict(source) for source in self.sources],
            "model": {"embedding": self.embedding_model, "llm": self.llm},
            "timings": self.timings,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Retrieval quality over a set of queries; latencies are in milliseconds."""

    queries: int
    k: int
    ndcg: float
    mrr: float
    recall: float
    latency_p50: float
    latency_p95: float
