"""What the answer log and the documents tell a maintainer: questions with their outcomes, citations, stale answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import pgvector

from rag.store.answers import Asker, Thumb
from rag.store.chunks import Vector
from rag.store.statements import Reads

__all__ = ["AskedRow", "CitationCount", "CitedDocument", "Insights", "StaleConversation", "UncitedDocument"]


@dataclass(frozen=True, slots=True)
class AskedRow:
    """A logged question, and what became of its answer."""

    id: UUID
    #: a digest that is the same for the same question
    asked: bytes
    question: str
    asked_at: datetime
    asker: Asker
    answered: bool
    score: float
    thumb: Thumb | None
    better_page: str | None
    #: a digest of the answer's text
    answer: str
    #: of the first source: the nearest page where the sources do not answer
    page_url: str | None
    page_title: str | None


@dataclass(frozen=True, slots=True)
class CitedDocument:
    """A document, and how many answers cite it."""

    id: str
    url: str
    title: str
    source: str
    kind: str
    answers: int
    #: how many of these answers have a thumb down
    down: int


@dataclass(frozen=True, slots=True)
class UncitedDocument:
    """A page or file that no answer cites."""

    id: str
    url: str
    title: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class CitationCount:
    """How many documents of a kind a source has, and how many of them no answer cites."""

    source: str
    kind: str
    documents: int
    never_cited: int


@dataclass(frozen=True, slots=True)
class StaleConversation:
    """A stale answer, and where it was asked for."""

    id: UUID
    question: str
    asker: Asker
    asked_at: datetime
    stale_at: datetime
    #: the conversation: the id of its first answer
    thread: UUID
    #: opens the thread of Slack or Discord in which it was asked; None if it was asked elsewhere
    link: str | None


class Insights(Reads):
    """Reads over the answer log as a whole, and the vectors of its questions."""

    def asked(self, days: int) -> list[AskedRow]:
        """Return the questions of the last days, oldest first."""
        return [AskedRow(*row) for row in self._rows("asked_questions", {"days": days})]

    def vectors(self, model: str, answers: Sequence[UUID]) -> dict[UUID, Vector]:
        """Return the kept vectors of the questions of answers, by answer."""
        rows = self._rows("question_vectors", {"model": model, "answers": list(answers)})
        return {row[0]: row[1].to_numpy().astype(np.float32) for row in rows}

    def keep_vectors(self, model: str, vectors: Mapping[UUID, Vector]) -> None:
        """Keep the vectors of the questions of answers as long as the answers."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("stage_question_vectors"))
            with connection.cursor() as cursor, cursor.copy(self._queries.compose("copy_question_vectors")) as copy:
                copy.set_types(["uuid", "halfvec"])
                for answer, vector in vectors.items():
                    copy.write_row((answer, pgvector.HalfVector(vector)))
            connection.execute(self._queries.compose("merge_question_vectors"), {"model": model})

    def cited(self, days: int, *, limit: int | None = None) -> list[CitedDocument]:
        """Return the documents that answers of the last days cite, the most cited first."""
        return [CitedDocument(*row) for row in self._rows("cited_documents", {"days": days, "limit": limit})]

    def citation_counts(self, days: int) -> list[CitationCount]:
        """Return by source and kind how many documents there are, and how many of them no answer cites."""
        return [CitationCount(*row) for row in self._rows("citation_counts", {"days": days})]

    def uncited(self, days: int, *, limit: int) -> list[UncitedDocument]:
        """Return the pages and files that no answer of the last days cites, the longest first."""
        return [UncitedDocument(*row) for row in self._rows("uncited_pages", {"days": days, "limit": limit})]

    def stale(self, *, limit: int) -> list[StaleConversation]:
        """Return the stale answers, the longest stale first."""
        return [StaleConversation(*row) for row in self._rows("stale_conversations", {"limit": limit})]
