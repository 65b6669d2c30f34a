"""The answer log: what was asked and answered, from which chunks, so that an answer is marked when its sources change.

An answer that cannot be logged is given all the same, with a warning.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from uuid import UUID

from rag.answer.answer import Answer, Citation, Turn, pages_of
from rag.errors import DatabaseError
from rag.llm.tokens import Usage
from rag.store.answers import AnswerCounts, AnswerRow, Asker, LoggedRow, ProblemReport, StaleAnswer, Thumb
from rag.store.filters import Filters
from rag.store.index_info import IndexInfo
from rag.store.store import Store

__all__ = ["ASKED", "AnswerLog", "Asked", "LoggedAnswer"]

log = logging.getLogger(__name__)

# How many earlier turns of a conversation a follow-up may refer to.
_TURNS = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks a question, and in which conversation."""

    by: Asker = "person"
    #: the id of the conversation's first answer; None: the question begins one
    thread: UUID | None = None


#: Who asks the question that is being answered; None: a person who begins a conversation. It is a context variable, so
#: that the parts that make an answer do not hand on what only its log entry needs.
ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """An answer as it was given, and what became of it."""

    answer: Answer
    asked_at: datetime
    #: the only source that was searched; None: all
    source: str | None
    thumb: Thumb | None
    #: the page that a reader says would have answered
    better_page: str | None
    stale_at: datetime | None
    #: the conversation: the id of its first answer
    thread: str
    asker: Asker
    #: what the reader says about the answer
    comment: str | None


class AnswerLog:
    """Keeps answers for some days.

    :param is_enabled: whether new answers are logged
    :param days: expired answers are removed with the next answers and syncs
    """

    def __init__(self, store: Store, *, days: int, is_enabled: bool = True) -> None:
        self._store = store
        self._days = days
        self.is_enabled = is_enabled

    def add(self, index: IndexInfo, answer: Answer, filters: Filters | None = None) -> Answer:
        """Log an answer and return it with its id, or as it is if it cannot be logged.

        :param index: the index that it was answered from
        :param filters: what the search was narrowed to
        """
        if not self.is_enabled:
            return answer
        filters = filters or Filters()
        kept = replace(answer, id=str(uuid.uuid4()))
        asked = _digest(answer.question, filters)
        try:
            with self._store.transaction() as transaction:
                row = _row(kept, ASKED.get() or Asked())
                transaction.answers.log(index, row, source=filters.source, asked=asked, keep_days=self._days)
        except DatabaseError as error:
            log.warning("This answer is not logged: %s", error)
            return answer
        return kept

    def find(self, answer: UUID) -> LoggedAnswer | None:
        """Return an answer as it was given; None if it was never logged or has expired."""
        row = self._store.answers.find(answer)
        return _logged(row) if row else None

    def thread(self, thread: UUID, *, until: UUID | None = None) -> Sequence[Turn]:
        """Return the latest turns of a conversation, oldest first; none if it is unknown.

        :param until: the last answer that counts; all if None
        """
        turns = self._store.answers.thread(thread, until=until, limit=_TURNS)
        return [
            Turn(turn.question, turn.answer, pages_of(turn.urls)) if turn.answered else Turn(turn.question)
            for turn in turns
        ]

    def conversation(self, thread: UUID, *, until: UUID | None = None) -> list[LoggedAnswer]:
        """Return the latest answers of a conversation, oldest first; none if it is unknown.

        :param until: the last answer that counts; all if None
        """
        return [_logged(row) for row in self._store.answers.conversation(thread, until=until, limit=_TURNS)]

    def thread_at(self, place: str) -> UUID | None:
        """Return the conversation that a thread of a chat is; None if nothing was answered in it.

        :param place: the platform and its ids
        """
        return self._store.chat_threads.at(place)

    def keep_thread(self, place: str, thread: UUID, link: str | None) -> None:
        """Keep which conversation a thread of a chat is.

        :param link: opens the thread
        """
        self._store.chat_threads.keep(place, thread, link, days=self._days)

    def rate(
        self, answer: UUID, thumb: Thumb | None, *, better_page: str | None = None, comment: str | None = None
    ) -> bool:
        """Record what a reader thinks of an answer; return whether the answer is known.

        :param better_page: the page that would have answered
        """
        return self._store.answers.rate(answer, thumb, better_page=better_page, comment=comment)

    def report_problem(self, url: str, problem: str, asker: Asker) -> None:
        """Record a problem with a page."""
        self._store.answers.report_problem(url, problem, asker)

    def problems(self) -> list[ProblemReport]:
        """Return the problems that were reported while the log keeps answers, oldest first."""
        return self._store.answers.problems(self._days)

    def down_voted(self) -> list[LoggedAnswer]:
        """Return the answers that readers found wrong, the latest of each question, oldest first."""
        return [_logged(row) for row in self._store.answers.down_voted()]

    def stale(self) -> list[StaleAnswer]:
        """Return the answers whose sources have changed, the longest stale first."""
        return self._store.answers.stale()

    def counts(self) -> AnswerCounts:
        """Return how many answers are logged, and what became of them."""
        return self._store.answers.counts()

    def prune(self) -> int:
        """Remove the expired answers; return their number."""
        return self._store.answers.prune(self._days)


def _row(answer: Answer, asked: Asked) -> AnswerRow:
    usage = answer.usage or Usage()
    return AnswerRow(
        id=answer.id or "",
        question=answer.question,
        answered=answer.answered,
        answer=answer.answer,
        sources=[asdict(source) for source in answer.sources],
        embedding_model=answer.embedding_model,
        llm=answer.llm,
        timings=answer.timings,
        prompt_tokens=usage.prompt_tokens,
        answer_tokens=usage.answer_tokens,
        cost=usage.cost,
        score=answer.score,
        note=answer.note,
        chunks=[source.chunk_id for source in answer.sources],
        thread=str(asked.thread or answer.id),
        asker=asked.by,
    )


def _logged(row: LoggedRow) -> LoggedAnswer:
    kept = row.answer
    known = (kept.prompt_tokens, kept.answer_tokens, kept.cost) != (None, None, None)
    answer = Answer(
        question=kept.question,
        answered=kept.answered,
        answer=kept.answer,
        sources=tuple(Citation(**source) for source in kept.sources),
        embedding_model=kept.embedding_model,
        llm=kept.llm,
        timings=kept.timings,
        score=kept.score,
        usage=Usage(kept.prompt_tokens, kept.answer_tokens, kept.cost) if known else None,
        id=kept.id,
        note=kept.note,
    )
    return LoggedAnswer(
        answer,
        row.asked_at,
        row.source,
        row.thumb,
        row.better_page,
        row.stale_at,
        kept.thread,
        kept.asker,
        row.comment,
    )


def _digest(question: str, filters: Filters) -> bytes:
    """Return a digest that is the same for the same question, however it is spaced, capitalised and punctuated."""
    words = " ".join(question.casefold().split()).rstrip("?!. ")
    narrowed = filters.source or ""
    if filters != Filters(source=filters.source):
        narrowed += f"\0{astuple(filters)}"
    return hashlib.sha256(f"{words}\0{narrowed}".encode(errors="replace")).digest()
