"""The shapes of requests and replies, as the HTTP API and the MCP server describe and check them.

A reply may have more members than a shape names, so that a client written for an older version goes on working.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from rag.search.searcher import Mode
from rag.service.service import LONGEST_QUESTION, LONGEST_TEXT, MOST_RESULTS
from rag.store.answers import Thumb
from rag.store.filters import Filters

__all__ = [
    "AnswerReply",
    "AskRequest",
    "Cited",
    "DocumentReply",
    "ErrorReply",
    "FeedbackReply",
    "FeedbackRequest",
    "FilterFields",
    "LoggedReply",
    "SearchParameters",
    "SearchReply",
    "SearchRequest",
    "SimilarParameters",
    "SimilarReply",
    "SourcesReply",
    "VerifyReply",
    "VerifyRequest",
]

_LONGEST_PLACE = 4_000

Question = Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION, description="the question")]
Place = Annotated[str, Field(min_length=1, max_length=_LONGEST_PLACE)]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class FilterFields(_Request):
    """The filters of a search; a field that is null does not filter."""

    source: Annotated[str | None, Field(max_length=200)] = Field(None, description="documents of this source")
    kind: Literal["issue", "pull", "discussion", "page", "file"] | None = Field(
        None, description="documents of this kind"
    )
    label: Annotated[str | None, Field(max_length=200)] = Field(None, description="threads with this label")
    state: Literal["open", "closed", "merged"] | None = Field(None, description="threads in this state")
    since: date | None = Field(None, description="updated on this day or later")
    until: date | None = Field(None, description="updated on this day or earlier")
    version: Annotated[str | None, Field(max_length=100)] = Field(
        None,
        description="documents about this version; by default the one that the question names, or the newest stable",
    )

    def filters(self) -> Filters:
        """Return the filters that the service takes."""
        return Filters(self.source, self.kind, self.label, self.state, self.since, self.until, self.version)


class AskRequest(FilterFields):
    """A question."""

    question: Question = Field(validation_alias=AliasChoices("question", "q", "query"))
    thread: str | None = Field(None, max_length=100, description="the `thread` of an earlier answer, for a follow-up")
    after: str | None = Field(None, max_length=100, description="the `id` of the answer to follow up")
    top_k: int = Field(8, ge=1, le=100, description="the number of chunks for the answer")


class _Paging(FilterFields):
    mode: Mode = Field("hybrid", description="rank by meaning (dense), by words (keyword), or by both (hybrid)")
    limit: int = Field(
        10, ge=1, le=100, validation_alias=AliasChoices("limit", "top_k"), description="the maximum number of results"
    )
    offset: int = Field(0, ge=0, le=MOST_RESULTS - 100, description="the number of best results to skip")


class SearchRequest(_Paging):
    """A search."""

    query: Question = Field(validation_alias=AliasChoices("query", "q", "question"))


class SearchParameters(_Paging):
    """A search in a query string."""

    limit: int = Field(10, ge=1, le=100, description="the maximum number of results")
    q: Question | None = Field(None, description="what to search for")
    query: Question | None = Field(None, description="the same as `q`; one of them is required")


class SimilarParameters(FilterFields):
    """A document, or a title and a body."""

    url: Place | None = Field(None, description="the URL of a document")
    id: Place | None = Field(None, description="the id of a document")
    title: str | None = Field(None, max_length=LONGEST_QUESTION, description="the title of a text that is not indexed")
    body: str | None = Field(None, max_length=LONGEST_TEXT, description="the body of a text that is not indexed")
    limit: int = Field(10, ge=1, le=100, description="the maximum number of results")


class VerifyRequest(FilterFields):
    """A text to compare with the sources."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT, description="the text; each sentence is checked")
    sources: list[Place] = Field(
        [], max_length=20, description="ids or URLs of the documents to compare with; empty: all"
    )


class FeedbackRequest(_Request):
    """What a reader thinks of an answer."""

    id: str = Field(
        max_length=100,
        validation_alias=AliasChoices("id", "answer", "answer_id"),
        description="the id of the answer",
        json_schema_extra={"format": "uuid"},
    )
    thumb: Thumb | None = None
    comment: str | None = Field(None, max_length=LONGEST_QUESTION)
    better_page: str | None = Field(
        None,
        max_length=_LONGEST_PLACE,
        validation_alias=AliasChoices("better_page", "page", "url"),
        description="the URL of the page that answers",
    )


class ErrorReply(BaseModel):
    """Why a request failed, in one sentence."""

    error: str


class Cited(_Reply):
    """A source of an answer."""

    n: int = Field(description="the marker [n] that cites it")
    url: str
    title: str
    source: str
    kind: str
    score: float
    quote: str = Field(description="a verbatim quote of the source")
    said_by: str | None = Field(None, description="author, role and date, in a thread")
    note: str | None = Field(None, description="the outcome of the thread")
    updated_at: str | None = Field(None, description="the time of the last change, if the source provides it")
    commit: str | None = Field(None, description="the commit of the file")


class Models(_Reply):
    """The models that made an answer."""

    embedding: str
    llm: str


class Fresh(_Reply):
    """The last successful sync of a source."""

    source: str
    last_success: datetime | None


class AnswerReply(_Reply):
    """An answer. Where `answered` is false, the sources do not say, and `sources` are the nearest pages."""

    question: str
    answered: bool
    answer: str = Field(description="Markdown; each claim ends with the marker [n] of its source")
    sources: list[Cited]
    model: Models
    timings: dict[str, float]
    usage: dict[str, Any] | None = Field(None, description="the tokens of the language model")
    score: float = Field(description="the estimated probability that the answer is right, in [0, 1]")
    thread: str | None = Field(description="the conversation; null if answers are not logged")
    freshness: list[Fresh] = Field(description="the last successful sync of each cited source")
    id: str | None = Field(None, description="the id of the answer; null if answers are not logged")


class LoggedReply(AnswerReply):
    """An answer from the log, and what became of it."""

    asked_at: datetime
    stale_at: datetime | None = Field(description="the time since which a cited document is changed or deleted")
    thumb: Thumb | None
    comment: str | None
    better_page: str | None


class Hit(_Reply):
    """A search result: the best chunk of a document."""

    rank: int
    id: str = Field(description="the id of the document")
    url: str
    title: str
    source: str
    kind: str
    score: float = Field(description="the estimated probability that the chunk is relevant to the question, in [0, 1]")
    heading: str
    text: str


class SearchReply(_Reply):
    """The best chunk of each of the best documents, best first."""

    question: str
    results: list[Hit]
    timings: dict[str, float]
    mode: Mode
    offset: int
    limit: int


class SimilarReply(_Reply):
    """Documents like another, best first."""

    results: list[Hit]


class Verified(_Reply):
    """A sentence, and the source that supports it."""

    text: str
    supported: bool
    url: str | None
    title: str | None
    source: str | None
    quote: str | None = Field(description="a verbatim quote of the source")


class VerifyReply(_Reply):
    """Which sentences of a text the sources support."""

    sentences: list[Verified]
    supported: int = Field(description="the number of sentences that a source supports")
    total: int


class SourceState(_Reply):
    """A source, its size and when it was last read."""

    name: str
    kind: str
    documents: int
    chunks: int
    last_success: datetime | None


class SourcesReply(_Reply):
    """The sources of the index."""

    sources: list[SourceState]


class Section(_Reply):
    """A chunk of a document."""

    heading: str
    text: str
    url: str


class DocumentReply(_Reply):
    """A document, whole and in chunks."""

    id: str
    url: str
    title: str
    source: str
    kind: str
    markdown: str
    chunks: list[Section]


class FeedbackReply(_Reply):
    """What was recorded."""

    id: str
    thumb: Thumb | None
    comment: str | None
    better_page: str | None
