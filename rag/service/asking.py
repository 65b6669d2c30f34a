"""Ask: an answer with its thread, how likely it is right, and how fresh its sources are."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from rag.answer.answer import Answer, Turn
from rag.engine import Engine
from rag.operate.answer_log import ASKED, Asked, LoggedAnswer
from rag.store.documents import Version
from rag.store.filters import Filters

__all__ = ["Reply", "Request", "ask", "ask_stream", "replied"]

_ALL = Filters()


@dataclass(frozen=True, slots=True)
class Request:
    """A question, and what its answer is made under."""

    question: str
    filters: Filters = _ALL
    top_k: int = 8
    history: Sequence[Turn] = ()
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what its reader needs to trust it."""

    answer: Answer
    #: the id of the conversation; None if the answer is not logged
    thread: str | None
    #: the last success of each source that the answer cites, by name; None: never
    last_success: Mapping[str, datetime | None]
    #: how old the documents of its citations are, by the chunk's node id
    versions: Mapping[str, Version]

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.ask --json` prints."""
        answer = self.answer.to_json()
        for cited, citation in zip(answer["sources"], self.answer.sources, strict=True):
            cited |= _age(self.versions.get(citation.chunk_id))
        return {**answer, "thread": self.thread, "freshness": self._freshness()}

    def _freshness(self) -> list[dict[str, str | None]]:
        return [
            {"source": name, "last_success": at.isoformat() if at else None} for name, at in self.last_success.items()
        ]


def ask(engine: Engine, request: Request) -> Reply:
    """Answer a question; parameters and errors are those of `Questions.ask`."""
    token = ASKED.set(request.asked)
    try:
        answer = engine.ask(request.question, top_k=request.top_k, filters=request.filters, history=request.history)
    finally:
        ASKED.reset(token)
    return replied(engine, answer, request.asked.thread)


def ask_stream(engine: Engine, request: Request) -> Iterator[str | Reply]:
    """Yield the paragraphs of an answer, each as soon as it is checked, and at the end the `Reply`."""
    # A reader may take each paragraph from another thread; the log entry needs one context.
    context = contextvars.copy_context()
    context.run(ASKED.set, request.asked)
    pieces = engine.questions.ask_stream(
        request.question, top_k=request.top_k, filters=request.filters, history=request.history
    )
    while (piece := context.run(next, pieces, None)) is not None:
        yield replied(engine, piece, request.asked.thread) if isinstance(piece, Answer) else piece


def replied(engine: Engine, answer: Answer, thread: UUID | None = None) -> Reply:
    """Return an answer with its thread and the freshness of its sources.

    :param thread: the conversation that the answer goes on; None: it began one
    """
    names = list(dict.fromkeys(citation.source for citation in answer.sources))
    chunks = [citation.chunk_id for citation in answer.sources if citation.chunk_id]
    return Reply(
        answer,
        str(thread) if thread else answer.id,
        engine.documents.last_success(names),
        engine.documents.versions(chunks),
    )


def logged(engine: Engine, entry: LoggedAnswer) -> dict[str, Any]:
    """Return a logged answer in the shape of a new one, with what became of it."""
    reply = replied(engine, entry.answer, UUID(entry.thread))
    return {
        **reply.to_json(),
        "id": entry.answer.id,
        "asked_at": entry.asked_at.isoformat(),
        "stale_at": entry.stale_at.isoformat() if entry.stale_at else None,
        "thumb": entry.thumb,
        "comment": entry.comment,
        "better_page": entry.better_page,
    }


def _age(version: Version | None) -> dict[str, str]:
    """Return when a citation's document was last changed and the commit that it was read at, as far as known."""
    if version is None:
        return {}
    known = {"updated_at": version.updated_at or _iso(version.last_modified), "commit": version.commit}
    return {name: value for name, value in known.items() if value}


def _iso(header: str | None) -> str | None:
    with suppress(ValueError, TypeError, OverflowError):
        return parsedate_to_datetime(header or "").astimezone(UTC).isoformat()
    return None
