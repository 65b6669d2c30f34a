"""Logged answers: what was asked and answered from which chunks, so that an answer can be told when its sources change.

The log is no part of an answer: what keeps it from being written is said in a warning, and the answer is given.
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
    """Keeps answers for some days.

    :param days: for how long; what is older goes with the next answers and syncs
    """

    def __init__(self, store: Store, *, days: int) -> None:
        self._store = store
        self._days = days

    def add(self, index: IndexInfo, answer: Answer, *, filters: Filters | None = None) -> Answer:
        """Keep an answer and return it with its id, or as it is if it cannot be kept.

        :param index: that it was answered from
        :param filters: it was answered only from what they leave
        """
        filters = filters or Filters()
        kept = replace(answer, id=str(uuid.uuid4()))
        try:
            with self._store.transaction() as transaction:
                transaction.log_answer(
                    index,
                    _masked(kept),
                    source=filters.source,
                    asked=_asked(answer.question, filters),
                    keep_days=self._days,
                )
        except DatabaseError as error:
            log.warning("This answer is not logged: %s", error)
            return answer
        return kept

    def prune(self) -> int:
        """Forget what is older than is kept; return how many answers that was."""
        return self._store.prune_answers(self._days)


def _masked(answer: Answer) -> Answer:
    """Return an answer without what is a secret in its question; the sources' were masked when they were read."""
    return replace(answer, question=masked(answer.question))


def _asked(question: str, filters: Filters) -> bytes:
    """Return what is the same for the same question, however it is spaced, capitalised and ended."""
    words = " ".join(question.casefold().split()).rstrip("?!. ")
    narrowed = filters.source or ""
    if filters != Filters(source=filters.source):
        narrowed += f"\0{astuple(filters)}"
    return hashlib.sha256(f"{words}\0{narrowed}".encode(errors="replace")).digest()
