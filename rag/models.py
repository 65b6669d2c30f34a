"""What crosses a border between two parts: frozen, typed, and free of behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

__all__ = [
    "KINDS",
    "STATES",
    "Answer",
    "AnswerCounts",
    "AnswerQuality",
    "Backfill",
    "Evaluation",
    "Failure",
    "Filters",
    "Fix",
    "IndexInfo",
    "IndexSize",
    "LoggedAnswer",
    "Maintenance",
    "Page",
    "PastEvaluation",
    "SearchResult",
    "Source",
    "SourceStatus",
    "StaleAnswer",
    "SyncReport",
    "Thread",
    "Thumb",
    "Trouble",
    "Turn",
    "Usage",
    "Voice",
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


#: What kinds of documents there are, and in what states threads are.
KINDS = ("issue", "pull", "discussion", "page", "file")
STATES = ("open", "closed", "merged")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is narrowed to; None: not narrowed by this."""

    source: str | None = None
    #: issue, pull, discussion, page or file
    kind: str | None = None
    #: one that the thread has, in capitals or not
    label: str | None = None
    #: open, closed or merged
    state: str | None = None
    #: last updated on this day or later; what does not say when is left out
    since: date | None = None
    #: last updated on this day or before
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """Who says something on GitHub, and when; `association` is GitHub's, in lower case."""

    author: str
    association: str
    #: ISO 8601
    at: str
    #: it is the accepted answer of a discussion
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Fix:
    """A merged pull request that says it fixes an issue."""

    number: int
    url: str
    #: ISO 8601
    merged_at: str


@dataclass(frozen=True, slots=True)
class Thread:
    """How an issue, pull request or discussion stands; dates are in ISO 8601."""

    number: int
    state: str
    #: GitHub's, such as not_planned or duplicate
    reason: str | None = None
    closed_at: str | None = None
    merged_at: str | None = None
    fixed_by: tuple[Fix, ...] = ()


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
    #: (offset in the text, who says what follows), ascending; empty for a page or a file
    voices: tuple[tuple[int, Voice], ...] = ()
    #: None for a page or a file
    thread: Thread | None = None
    #: its place among the chunks of its document, from 0
    ordinal: int = 0
    #: it was not found itself: a chunk beside it was, whose text runs over the edge between them
    is_neighbour: bool = False

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


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a conversation, and its answer."""

    question: str
    answer: str = ""


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
    #: the chunk's node id
    chunk_id: str = ""
    #: the URL with a text fragment, at which a browser opens the page with the quote in view
    link: str = ""
    #: who says it and when, such as "alice (maintainer), 2024-05-01"; None for a page or a file
    said_by: str | None = None
    #: what became of the thread where that decides: "fixed by #12, merged on 2024-05-01"
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.ask --json` prints for a source; who says it and what became of it, if known."""
        keys = ("n", "url", "title", "source", "kind", "score", "quote")
        said = {key: value for key in ("said_by", "note") if (value := getattr(self, key)) is not None}
        return {**{key: getattr(self, key) for key in keys}, **said}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a language model was asked for one answer; None: it did not say, or the price is not known."""

    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    #: US dollars
    cost: float | None = None


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
    #: None where no language model was asked
    usage: Usage | None = None
    #: under which it is logged; None if it is not
    id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.ask --json` prints; what it cost, if a language model was asked."""
        usage = {} if self.usage is None else {"usage": asdict(self.usage)}
        return {
            "question": self.question,
            "answered": self.answered,
            "answer": self.answer,
            "sources": [source.to_json() for source in self.sources],
            "model": {"embedding": self.embedding_model, "llm": self.llm},
            "timings": self.timings,
            **usage,
        }


#: What a reader thinks of an answer.
Thumb = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """An answer as it was given, and what became of it."""

    answer: Answer
    asked_at: datetime
    #: it was answered from this source only; None: from all
    source: str | None
    thumb: Thumb | None
    #: the page that a reader says would have answered
    better_page: str | None
    stale_at: datetime | None


@dataclass(frozen=True, slots=True)
class StaleAnswer:
    """A question to answer anew: a chunk that its answer shows is another one since `stale_at`, or gone."""

    id: str
    question: str
    source: str | None
    asked_at: datetime
    stale_at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.status --json` prints."""
        return {**asdict(self), "asked_at": self.asked_at.isoformat(), "stale_at": self.stale_at.isoformat()}


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many answers are logged, and what became of them; tokens and cost are of those that are known."""

    logged: int
    answered: int
    up: int
    down: int
    stale: int
    tokens: int | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class AnswerQuality:
    """How good the answers to a set of queries are; each share is in [0, 1], None where there was nothing to share.

    Answerable are the queries with a gold URL, unanswerable those whose gold is empty.
    """

    answerable: int
    unanswerable: int
    #: of the answerable ones
    answered: int
    #: of the unanswerable ones
    declined: int
    #: of the citations, the share whose chunk holds what the sentence says
    citation_precision: float | None
    #: of the sentences, the share that their citations hold
    support: float | None
    #: of the gold pages, the share that is cited
    gold_coverage: float | None
    #: how well the score tells answerable queries from the others: the chance that one of them has the higher score
    auroc: float | None
    #: milliseconds
    latency_p50: float
    latency_p95: float

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.evaluate --answers --json` prints under "answers"."""
        return {
            "answerable": self.answerable,
            "unanswerable": self.unanswerable,
            "answered": self.answered,
            "declined": self.declined,
            "citation_precision": _rounded(self.citation_precision),
            "support": _rounded(self.support),
            "gold_coverage": _rounded(self.gold_coverage),
            "abstention_auroc": _rounded(self.auroc),
            "latency_ms": {"p50": round(self.latency_p50, 2), "p95": round(self.latency_p95, 2)},
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good retrieval is over a set of queries, and, if asked for, the answers; latencies are in milliseconds."""

    queries: int
    k: int
    ndcg: float | None
    mrr: float | None
    recall: float | None
    latency_p50: float
    latency_p95: float
    answers: AnswerQuality | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.evaluate --json` prints."""
        report: dict[str, Any] = {
            "queries": self.queries,
            "k": self.k,
            "ndcg": _rounded(self.ndcg),
            "mrr": _rounded(self.mrr),
            "recall": _rounded(self.recall),
            "latency_ms": {"p50": round(self.latency_p50, 2), "p95": round(self.latency_p95, 2)},
        }
        return report if self.answers is None else {**report, "answers": self.answers.to_json()}


@dataclass(frozen=True, slots=True)
class PastEvaluation:
    """An evaluation that is kept; `report` is as `rag.evaluate --json` prints it."""

    at: datetime
    name: str
    embedding_model: str
    llm: str
    report: dict[str, Any]
    #: whether no metric had fallen by more than was allowed
    good: bool


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
