"""Retrieval: what is searched for besides the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rag.answer.retrieval import Retrieval
from rag.search.results import SearchResult
from rag.search.searcher import Searcher


class Pages:
    """Finds the page that a search names, and the page "both" for every search."""

    def search(self, question: str, **_: object) -> list[SearchResult]:
        return [_page(name, rank) for rank, name in enumerate(["both", question], start=1)]

    def openings(self, results: Sequence[SearchResult], most: int) -> list[SearchResult]:
        return []


def _page(name: str, rank: int) -> SearchResult:
    return SearchResult(
        rank=rank, chunk_id=name, document_id=name, url=name, title=name, source="s", kind="page", heading=name,
        text=name, score=0.9,
    )  # fmt: skip


def _found(question: str) -> list[tuple[int, str]]:
    retrieval = Retrieval(cast(Searcher, Pages()), top_k=8, source=None)
    return [(result.rank, result.url) for result in retrieval.found(question)]


def test_each_side_of_a_comparison_is_searched_and_found_once() -> None:
    assert _found("fetch vs pull") == [(1, "both"), (2, "fetch vs pull"), (3, "fetch"), (4, "pull")]


def test_another_question_is_searched_once() -> None:
    assert _found("undo a commit") == [(1, "both"), (2, "undo a commit")]
