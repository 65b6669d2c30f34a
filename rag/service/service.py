"""The service: one method for each thing that a reader, a program or another assistant can ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from rag.engine import Engine
from rag.errors import ConfigurationError, DatabaseAway, DatabaseError, RagError
from rag.operate.answer_log import Asked, LoggedAnswer
from rag.search.results import SearchResult
from rag.search.searcher import Mode
from rag.service.asking import Reply, Request, ask, ask_stream, logged
from rag.service.reading import Reading, reading
from rag.service.verification import verify
from rag.store.answers import Asker, Thumb
from rag.store.documents import DocumentRow
from rag.store.filters import Filters
from rag.store.postgres.encoding import storable
from rag.text.reports import clean_body, clean_title
from rag.text.urls import is_web_url

__all__ = ["LONGEST_QUESTION", "LONGEST_TEXT", "MOST_RESULTS", "Missing", "Service"]

#: In characters: enough for an error message, not for a log file.
LONGEST_QUESTION = 2_000
#: In characters: the body of an issue, or a text to verify.
LONGEST_TEXT = 20_000
#: The results of a search, skipped ones included.
MOST_RESULTS = 200
# In characters: what is read of a document to find others like it. The embedding model reads about as much.
_SUBJECT = 1_200
_SECTIONS = 3
_PAGES = ("page", "file")

_AWAY = "The database does not answer now. Try again in a moment."

_ALL = Filters()

log = logging.getLogger(__name__)


class Missing(RagError):  # noqa: N818 - not named *Error: a condition
    """What was asked for does not exist, or has expired."""


class Service:
    """Answers, searches, reads and records, over one engine. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def ask(
        self,
        question: str,
        *,
        filters: Filters = _ALL,
        top_k: int = 8,
        thread: str | None = None,
        after: str | None = None,
        by: Asker = "person",
    ) -> Reply:
        """Answer a question, or say that the sources do not.

        :param thread: the conversation that the question goes on
        :param after: the id of the answer that the question follows up, instead of a thread
        :raises ConfigurationError: the question is empty or too long, the index is empty, or a filter is wrong
        :raises LLMError: the language model fails
        """
        return self.answer(self.request(question, filters, top_k, thread, after, by))

    def answer(self, request: Request) -> Reply:
        """Answer a question.

        :param request: as `request` returns it
        """
        with _answered():
            return ask(self.engine, request)

    def ask_stream(self, request: Request) -> Iterator[str | Reply]:
        """Yield the paragraphs of an answer, each as soon as it is checked, and at the end the `Reply`.

        :param request: as `request` returns it
        """
        with _answered():
            yield from ask_stream(self.engine, request)

    def request(
        self,
        question: str,
        filters: Filters = _ALL,
        top_k: int = 8,
        thread: str | None = None,
        after: str | None = None,
        by: Asker = "person",
    ) -> Request:
        """Return a question with the conversation that it belongs to; parameters and errors are those of `ask`."""
        with _answered():
            asked, until = self._asked(thread, after, by)
            history = self.engine.answer_log.thread(asked.thread, until=until) if asked.thread else ()
            return Request(checked_question(question), _clean(filters), top_k, history, asked)

    def _asked(self, thread: str | None, after: str | None, by: Asker) -> tuple[Asked, UUID | None]:
        """Return who asks in which conversation, and the answer that is followed up."""
        if not after:
            return Asked(by, _uuid("thread", thread) if thread else None), None
        until = _uuid("after", after)
        entry = self.engine.answer_log.find(until)
        if entry is None:
            raise ConfigurationError("The previous answer was not logged or has expired.")
        return Asked(by, UUID(entry.thread)), until

    def search(
        self, query: str, *, filters: Filters = _ALL, limit: int = 10, offset: int = 0, mode: Mode = "hybrid"
    ) -> dict[str, Any]:
        """Return the best chunk of each of the best documents, best first.

        :param offset: how many of the best are skipped
        :param mode: rank by meaning (dense), by words (keyword), or by both
        """
        if not (limit >= 1 and offset >= 0 and offset + limit <= MOST_RESULTS):
            raise ConfigurationError(f"limit must be at least 1, and offset and limit together at most {MOST_RESULTS}.")
        started = time.perf_counter()
        with _answered():
            found = self.engine.questions.search(
                checked_question(query), top_k=offset + limit, filters=_clean(filters), mode=mode
            )
        seconds = round(time.perf_counter() - started, 4)
        return {
            "question": query,
            "results": [_result_json(result) for result in found[offset:]],
            "timings": {"retrieve": seconds, "total": seconds},
            "mode": mode,
            "offset": offset,
            "limit": limit,
        }

    def similar(
        self,
        *,
        place: str | None = None,
        title: str | None = None,
        body: str | None = None,
        filters: Filters = _ALL,
        limit: int = 10,
    ) -> dict[str, Any]:
        """Return the documents like one of the index, or like a title and body, best first.

        :param place: the id or URL of the document
        :raises Missing: there is no such document
        :raises ConfigurationError: neither a document nor a title or body is given
        """
        with _answered():
            itself = self._document(place) if place else None
            subject = self._subject(itself) if itself else _report(title or "", body or "")
            if not subject.strip():
                raise ConfigurationError("Give the id or URL of a document, or a title and a body.")
            found = self.engine.questions.search(
                storable(subject.strip()[:_SUBJECT]), top_k=limit + 1, filters=_clean(filters)
            )
        others = [result for result in found if itself is None or result.document_id != itself.id][:limit]
        ranked = [replace(result, rank=rank) for rank, result in enumerate(others, start=1)]
        return {"results": [_result_json(result) for result in ranked]}

    def _subject(self, document: DocumentRow) -> str:
        sections = self.engine.documents.sections(document.id)
        text = "\n".join(section.text for section in sections[:_SECTIONS])
        return f"{document.title}\n{text}" if document.kind in _PAGES else _report(document.title, text)

    def verify(self, text: str, *, sources: Sequence[str] = (), filters: Filters = _ALL) -> dict[str, Any]:
        """Return which sentences of a text the sources hold, with verbatim quotes.

        :param sources: ids or URLs of the only documents that count; empty: all
        :raises Missing: one of these documents does not exist
        """
        with _answered():
            self._check_source(filters)
            documents = [self._document(place).id for place in sources]
            verdicts = verify(self.engine, storable(text), documents=documents, filters=_clean(filters))
        held = sum(verdict.citation is not None for verdict in verdicts)
        return {
            "sentences": [verdict.to_json() for verdict in verdicts],
            "supported": held,
            "total": len(verdicts),
        }

    def document(self, place: str) -> Reading:
        """Return a document with its text and chunks.

        :param place: its id, its URL, or the URL of a place in it
        :raises Missing: there is no such document
        """
        with _answered():
            row = self._document(place)
            sections = self.engine.documents.sections(row.id)
        return reading(row, sections, fragment=place.strip().partition("#")[2])

    def _document(self, place: str) -> DocumentRow:
        bare = place.strip().partition("#")[0]
        found = {row.id: row for row in self.engine.documents.at({place.strip(), bare})}
        # An id is unique; a URL may belong to two sources, the first of which is as good as the other.
        if row := found.get(place.strip()) or next(iter(sorted(found.items())), (None, None))[1]:
            return row
        raise Missing("There is no document with this id or URL in the index.")

    def sources(self) -> list[dict[str, Any]]:
        """Return every source with its size and its last successful sync."""
        with _answered():
            states = self.engine.operations.sources()
        return [
            {
                "name": state.name,
                "kind": state.kind,
                "documents": state.documents,
                "chunks": state.chunks,
                "last_success": state.last_success.isoformat() if state.last_success else None,
            }
            for state in states
        ]

    def versions(self) -> list[str]:
        """Return the versions of the software that a question can be answered for, the newest first."""
        with _answered():
            return self.engine.documents.product_versions()

    def logged(self, answer: UUID) -> LoggedAnswer:
        """Return an answer from the log.

        :raises Missing: it was never logged or has expired
        """
        with _answered():
            entry = self.engine.answer_log.find(answer)
        if entry is None:
            raise Missing("This answer does not exist or has expired.")
        return entry

    def conversation(self, thread: str | UUID, *, until: str | None = None) -> list[LoggedAnswer]:
        """Return the latest answers of a conversation, oldest first.

        :param until: the id of the last answer that counts; all if None
        """
        with _answered():
            last = UUID(until) if until else None
            return self.engine.answer_log.conversation(UUID(str(thread)), until=last)

    def passages(self, chunks: Sequence[str]) -> dict[str, str]:
        """Return the texts of chunks by node id; a chunk that is gone is left out."""
        with _answered():
            return self.engine.documents.chunk_texts(chunks)

    def logged_json(self, answer: UUID) -> dict[str, Any]:
        """Return an answer from the log in the shape of a new one, with what became of it.

        :raises Missing: it was never logged or has expired
        """
        with _answered():
            return logged(self.engine, self.logged(answer))

    def rate(self, answer: UUID, thumb: Thumb | None, *, better_page: str | None, comment: str | None = None) -> None:
        """Record what a reader thinks of an answer.

        :param better_page: the URL of the page that answers
        :raises Missing: the answer was never logged or has expired
        :raises ConfigurationError: nothing is said, or the page has no web address
        """
        if thumb is None and not better_page and not comment:
            raise ConfigurationError("Send a thumb, a comment or a page that answers.")
        if better_page and not is_web_url(better_page):
            raise ConfigurationError("The page that answers must be an http:// or https:// URL.")
        with _answered():
            known = self.engine.answer_log.rate(answer, thumb, better_page=better_page, comment=comment)
        if not known:
            raise Missing("This answer does not exist or has expired.")

    def report_problem(self, url: str, problem: str, *, by: Asker = "person") -> None:
        """Record a problem with a page, which becomes a row of an evaluation.

        :raises ConfigurationError: the problem is empty
        :raises Missing: the page is not in the index
        """
        if not problem.strip():
            raise ConfigurationError("The description of the problem is empty.")
        with _answered():
            self.engine.answer_log.report_problem(self._document(url).url, problem.strip()[:LONGEST_QUESTION], by)

    def _check_source(self, filters: Filters) -> None:
        if filters.source is not None and filters.source not in (names := [one["name"] for one in self.sources()]):
            raise ConfigurationError(
                f"No source called {filters.source!r} has been ingested; there are: {', '.join(names) or 'none'}."
            )


def _report(title: str, body: str) -> str:
    """Return a thread's text without what every thread has, as triage compares it."""
    return f"{clean_title(title)}\n{clean_body(body)}"


def checked_question(question: str) -> str:
    """Return a question without characters that cannot be stored.

    :raises ConfigurationError: it is too long
    """
    if len(question) > LONGEST_QUESTION:
        raise ConfigurationError(f"The question is longer than {LONGEST_QUESTION:,} characters.")
    return storable(question)


def _clean(filters: Filters) -> Filters:
    """Return filters without characters that cannot be stored; no stored text holds them."""

    def clean(text: str | None) -> str | None:
        return text if text is None else storable(text)

    return replace(
        filters,
        source=clean(filters.source),
        kind=clean(filters.kind),
        label=clean(filters.label),
        state=clean(filters.state),
        version=clean(filters.version),
    )


def _uuid(name: Literal["thread", "after"], text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        what = "a thread" if name == "thread" else "an answer"
        raise ConfigurationError(f"{name} must be the id of {what}.") from None


def _result_json(result: SearchResult) -> dict[str, Any]:
    keys = ("rank", "url", "title", "source", "kind", "score", "heading", "text")
    return {"id": result.document_id, **{key: getattr(result, key) for key in keys}}


@contextmanager
def _answered() -> Iterator[None]:
    """Raise a DatabaseError in one calm sentence where Postgres is away, and log what it said."""
    try:
        yield
    except DatabaseError as error:
        # An outage is logged when it begins and when it is over; a piece within another one has said so.
        if str(error) != _AWAY and not isinstance(error, DatabaseAway):
            log.warning("%s", error)
        raise DatabaseError(_AWAY) from error
