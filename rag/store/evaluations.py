"""Past evaluations, and the stored threads that make queries with known answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from rag.store.statements import Reads

__all__ = ["AnsweredDiscussion", "Evaluations", "PastEvaluation", "PullRequest"]


@dataclass(frozen=True, slots=True)
class PastEvaluation:
    """A stored evaluation; `report` has the shape that `rag.evaluate --json` prints."""

    at: datetime
    name: str
    embedding_model: str
    llm: str
    report: dict[str, Any]
    #: whether no metric fell by more than the allowed drop
    good: bool


@dataclass(frozen=True, slots=True)
class AnsweredDiscussion:
    """A discussion whose author has accepted an answer."""

    number: int
    url: str
    title: str
    body: str
    created_at: str
    #: the accepted comment, without its replies
    answer: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as its author wrote it."""

    number: int
    url: str
    title: str
    body: str
    created_at: str


class Evaluations(Reads):
    """The evaluations of sets of queries."""

    def add(
        self, fingerprint: str, *, name: str, embedding_model: str, llm: str, report: Mapping[str, Any], good: bool
    ) -> None:
        """Store an evaluation under the fingerprint of its set of queries."""
        values = {
            "name": name,
            "fingerprint": fingerprint,
            "embedding_model": embedding_model,
            "llm": llm,
            "report": Jsonb(dict(report)),
            "good": good,
        }
        self._change("add_evaluation", values)

    def history(self, fingerprint: str, *, limit: int = 30) -> list[PastEvaluation]:
        """Return the latest evaluations of a set of queries, oldest first."""
        values = {"fingerprint": fingerprint, "limit": limit}
        return [PastEvaluation(*row) for row in self._rows("evaluations", values)]

    def last_good(self, fingerprint: str) -> PastEvaluation | None:
        """Return the latest good evaluation of a set of queries: the baseline of the next one."""
        rows = self._rows("last_good_evaluation", {"fingerprint": fingerprint})
        return PastEvaluation(*rows[0]) if rows else None

    def answered_discussions(self, source: str) -> list[AnsweredDiscussion]:
        """Return the discussions with an accepted answer, oldest first."""
        return [AnsweredDiscussion(*row) for row in self._rows("answered_discussions", {"source": source})]

    def pulls_naming_threads(self, source: str) -> list[PullRequest]:
        """Return the pull requests that name another thread, oldest first."""
        return [PullRequest(*row) for row in self._rows("pulls_naming_threads", {"source": source})]

    def documents_by_url(self, urls: Iterable[str]) -> dict[str, str | None]:
        """Return the URLs that belong to documents, with the creation time (ISO 8601) of a thread, None for a page."""
        return dict(self._rows("documents_by_url", {"urls": list(urls)}))
