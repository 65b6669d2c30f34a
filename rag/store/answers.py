"""Logged answers: what was asked and answered, from which chunks, and what readers thought of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from rag.store.index_info import IndexInfo
from rag.store.postgres.encoding import dump_json, storable
from rag.store.statements import Reads, Writes

__all__ = [
    "AnswerCounts",
    "AnswerRow",
    "AnswerWrites",
    "Answers",
    "Asker",
    "LoggedRow",
    "ProblemReport",
    "StaleAnswer",
    "ThreadTurn",
    "Thumb",
]

#: The verdict of a reader.
Thumb = Literal["up", "down"]
#: Who asks: a reader, or another program's language model.
Asker = Literal["person", "agent"]

# Each logged answer removes at most this many expired ones, so that none is held up by a large clean-up.
_PRUNED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """An answer as it is logged; `sources` holds its citations as JSON objects."""

    id: str
    question: str
    answered: bool
    answer: str
    sources: list[dict[str, Any]]
    embedding_model: str
    llm: str
    timings: dict[str, float]
    prompt_tokens: int | None
    answer_tokens: int | None
    #: US dollars
    cost: float | None
    #: how likely the answer is right, in [0, 1]
    score: float
    #: why the answer is not the language model's, or not all of it
    note: str | None
    #: node ids of the cited chunks
    chunks: list[str]
    #: the conversation: the id of its first answer
    thread: str
    asker: Asker


@dataclass(frozen=True, slots=True)
class ThreadTurn:
    """A question of a conversation, and its answer."""

    question: str
    answered: bool
    answer: str
    #: of its sources
    urls: list[str]


@dataclass(frozen=True, slots=True)
class ProblemReport:
    """A problem with a page."""

    id: int
    url: str
    problem: str


@dataclass(frozen=True, slots=True)
class StaleAnswer:
    """A question to answer again: a chunk that its answer cites changed or was deleted at `stale_at`."""

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
    """Counts over the logged answers; `tokens` and `cost` sum the answers for which they are known."""

    logged: int
    answered: int
    up: int
    down: int
    stale: int
    tokens: int | None
    cost: float | None
    #: how many of them agents asked for
    by_agents: int = 0


class Answers(Reads):
    """The logged answers."""

    def mark_late_stale(self, index: IndexInfo, since: datetime) -> None:
        """Mark stale the answers given since a time whose cited chunks have changed or been deleted."""
        with self._database.connection() as connection, connection.transaction():
            AnswerWrites(connection, self._queries).mark_late_stale(index, since)

    def stale(self, *, limit: int = 100) -> list[StaleAnswer]:
        """Return the stale answers, the longest stale first."""
        return [StaleAnswer(str(row[0]), *row[1:]) for row in self._rows("stale_answers", {"limit": limit})]

    def counts(self) -> AnswerCounts:
        """Return counts over the logged answers."""
        return AnswerCounts(*self._rows("answer_counts", {})[0])

    def find(self, answer: UUID) -> LoggedRow | None:
        """Return a logged answer; None if it is unknown or has expired."""
        rows = self._rows("logged_answer", {"id": answer})
        return _logged_row(rows[0]) if rows else None

    def down_voted(self) -> list[LoggedRow]:
        """Return the answers with a thumb down, the latest of each question, oldest first."""
        return [_logged_row(row) for row in self._rows("down_voted_answers", {})]

    def rate(
        self, answer: UUID, thumb: Thumb | None, *, better_page: str | None = None, comment: str | None = None
    ) -> bool:
        """Record the thumb of a reader; return whether the answer is known.

        :param better_page: the page that would have answered
        """
        texts = {"better_page": better_page and storable(better_page), "comment": comment and storable(comment)}
        return self._change("rate_answer", {"id": answer, "thumb": thumb, **texts}) > 0

    def thread(self, thread: UUID, *, until: UUID | None = None, limit: int) -> list[ThreadTurn]:
        """Return the latest turns of a conversation, oldest first.

        :param until: the last answer that counts; all if None
        """
        rows = self._rows("thread_turns", {"thread": thread, "until": until, "limit": limit})
        return [ThreadTurn(*row) for row in reversed(rows)]

    def conversation(self, thread: UUID, *, until: UUID | None = None, limit: int) -> list[LoggedRow]:
        """Return the latest answers of a conversation, oldest first.

        :param until: the last answer that counts; all if None
        """
        rows = self._rows("thread_answers", {"thread": thread, "until": until, "limit": limit})
        return [_logged_row(row) for row in rows]

    def report_problem(self, url: str, problem: str, asker: Asker) -> None:
        """Store a problem with a page."""
        self._change("report_problem", {"url": storable(url), "problem": storable(problem), "asker": asker})

    def problems(self, days: int) -> list[ProblemReport]:
        """Return the problems reported in the last days, oldest first."""
        return [ProblemReport(*row) for row in self._rows("problem_reports", {"days": days})]

    def prune(self, days: int) -> int:
        """Remove the answers older than this number of days; return their number."""
        return self._change("prune_answers", {"days": days, "limit": None})


class AnswerWrites(Writes):
    """The logged answers, inside a transaction."""

    def mark_stale(self, index: IndexInfo, documents: Sequence[str]) -> None:
        """Mark stale the answers that cite a chunk of these documents which has changed or been deleted."""
        if documents:
            self._run("mark_answers_stale", {"documents": list(documents)}, index)

    def mark_late_stale(self, index: IndexInfo, since: datetime) -> None:
        """Mark stale, among the answers given since a time, those whose cited chunks have changed or been deleted."""
        self._run("mark_late_answers_stale", {"since": since}, index)

    def log(self, index: IndexInfo, answer: AnswerRow, *, source: str | None, asked: bytes, keep_days: int) -> None:
        """Log an answer, which supersedes earlier ones to the same question, and remove some that have expired.

        :param source: the only source that was searched; None for all
        :param asked: a digest that is the same for the same question
        """
        values = {
            **asdict(answer),
            "question": storable(answer.question),
            "source": source,
            "asked": asked,
            "answer": storable(answer.answer),
            "sources": Jsonb(answer.sources, dumps=dump_json),
            "timings": Jsonb(answer.timings),
        }
        self._run("limit_logging", {})
        self._run("log_answer", values, index)
        self._run("prune_answers", {"days": keep_days, "limit": _PRUNED_AT_ONCE})


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """An answer as it was logged, and what became of it."""

    answer: AnswerRow
    asked_at: datetime
    #: the only source that was searched; None: all
    source: str | None
    thumb: Thumb | None
    #: the page that a reader says would have answered
    better_page: str | None
    stale_at: datetime | None
    #: what a reader says about the answer
    comment: str | None


def _logged_row(row: tuple[Any, ...]) -> LoggedRow:
    (name, asked_at, question, source, answered, text, sources, embedding_model, llm, timings, prompt_tokens,
     answer_tokens, cost, score, note, thumb, better_page, stale_at, thread, asker, comment) = row  # fmt: skip
    chunks = [str(citation.get("chunk_id") or "") for citation in sources]
    answer = AnswerRow(
        str(name), question, answered, text, sources, embedding_model, llm, timings, prompt_tokens, answer_tokens,
        cost, score, note, chunks, str(thread), asker,
    )  # fmt: skip
    return LoggedRow(answer, asked_at, source, thumb, better_page, stale_at, comment)
