"""The log of answers: the question, the answer and the chunks it quotes, so that changed sources mark it stale.

Logging is not part of answering: if it fails, a warning is logged and the answer is still returned.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from dataclasses import astuple, replace

from rag.errors import DatabaseError
from rag.models import Answer, Filters, IndexInfo
from rag.store.store import Store
from rag.trust.secrets import masked

__all__ = ["AnswerLog"]

log = logging.getLogger(__name__)


class AnswerLog:
    """Stores answers for a number of days.

    :param days: later answers and syncs delete the answers that are older
    """

    def __init__(self, store: Store, *, days: int) -> None:
        self._store = store
        self._days = days

    def add(self, index: IndexInfo, answer: Answer, *, filters: Filters | None = None) -> Answer:
        """Store an answer and return it with its id, or unchanged if it cannot be stored.

        :param index: the index that was searched
        :param filters: the filters of that search
        """
        filters = filters or Filters()
        logged = replace(answer, id=str(uuid.uuid4()))
        try:
            with self._store.transaction() as transaction:
                transaction.log_answer(
                    index,
                    _masked(logged),
                    source=filters.source,
                    asked=_digest(answer.question, filters),
                    keep_days=self._days,
                )
        except DatabaseError as error:
            log.warning("This answer is not logged: %s", error)
            return answer
        return logged

    def prune(self) -> int:
        """Delete answers older than `days` and return their number."""
        return self._store.prune_answers(self._days)


def _masked(answer: Answer) -> Answer:
    """Return an answer without the secrets in its question; those in the sources were masked on ingestion."""
    return replace(answer, question=masked(answer.question))


def _digest(question: str, filters: Filters) -> bytes:
    """Return a digest of the question and its filters that ignores spacing, case and final punctuation."""
    words = " ".join(question.casefold().split()).rstrip("?!. ")
    narrowed = filters.source or ""
    if filters != Filters(source=filters.source):
        narrowed += f"\0{astuple(filters)}"
    return hashlib.sha256(f"{words}\0{narrowed}".encode(errors="replace")).digest()
