"""Retrieval for an answer: the chunks that are searched for passages, and the neighbours that complete them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.answer.question.asked import kinds_of
from rag.answer.question.sides import sides_of
from rag.answer.question.subjects import NO_SUBJECT, Subject
from rag.search.neighbours import REACH, with_neighbours
from rag.search.results import SearchResult
from rag.search.searcher import Searcher

__all__ = ["Retrieval"]

# How many chunks are searched for passages: the answer stands in the best 8 for 79% of the questions that were looked
# at, in the best 20 for 83%, in the best 30 for 88%.
_READ, _PER_DOCUMENT = 30, 4
# How many chunks are read for each side of a comparison, one of a document.
_OF_SIDE = 6
# What is searched as well if a question asks who wrote something, since the pages say it in other words.
_AUTHORS = "Authors: started by, written by, maintained by"
# Of how many documents the first chunk is read as well: it often says what they are about, and how to use it.
_OPENINGS = 8


class Retrieval:
    """Finds the chunks that may answer a question.

    :param top_k: the fewest chunks that are read
    :param source: search this source only
    """

    def __init__(self, searcher: Searcher, *, top_k: int, source: str | None) -> None:
        self._searcher = searcher
        self._read = max(top_k, _READ)
        self._source = source

    def best(self, question: str) -> list[SearchResult]:
        """Return the best chunk for a question; an empty list if there is none."""
        return self._searcher.search(question, top_k=1, source=self._source)

    def found(self, question: str, subject: Subject = NO_SUBJECT) -> list[SearchResult]:
        """Return the chunks that are searched for passages, best first.

        For a comparison, the chunks of each side follow, and for the author of something those that name authors; then
        the first chunks of the best documents.
        """
        found = self._searcher.search(
            question, top_k=self._read, source=self._source, per_document=_PER_DOCUMENT, about=subject.text
        )
        known = {result.chunk_id for result in found}
        for other in _also_searched(question):
            of_side = self._searcher.search(other, top_k=_OF_SIDE, source=self._source, about=subject.text)
            new = [result for result in of_side if result.chunk_id not in known]
            known.update(result.chunk_id for result in new)
            found += [replace(result, rank=rank) for rank, result in enumerate(new, start=len(found) + 1)]
        return [*found, *self._searcher.openings(found, _OPENINGS)]

    def whole(self, results: Sequence[SearchResult]) -> list[SearchResult]:
        """Return results, each with the neighbours that complete it."""
        return with_neighbours(results, self._searcher.around(results, REACH))


def _also_searched(question: str) -> tuple[str, ...]:
    """Return what is searched besides a question."""
    kinds = kinds_of(question)
    return (*(sides_of(question) if "comparison" in kinds else ()), *([_AUTHORS] if "author" in kinds else []))
