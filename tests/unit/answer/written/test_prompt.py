"""The sources are shortened to fit the prompt."""

from __future__ import annotations

from rag.answer.written.prompt import fitted
from rag.search.results import SearchResult


def source(number: int, *, is_neighbour: bool = False) -> tuple[int, SearchResult]:
    result = SearchResult(
        rank=1,
        chunk_id=str(number),
        document_id="d",
        url="https://example.org/d",
        title="T",
        source="docs",
        kind="page",
        heading="H",
        text=f"text{number} " * 10,
        score=0.9,
        is_neighbour=is_neighbour,
    )
    return number, result


SOURCES = [[source(1), source(2, is_neighbour=True)], [source(3, is_neighbour=True), source(4)]]


def words(text: str) -> int:
    return len(text.split())


def test_a_neighbour_is_put_in_one_text_with_its_source() -> None:
    first, second = fitted(SOURCES, words, budget=1000)
    assert first.index("[1] page: H") < first.index("text1") < first.index("[2] page: H") < first.index("text2")
    assert "[3] page: H" in second


def test_the_last_sources_are_shortened_first_and_numbers_stay() -> None:
    first, second = fitted(SOURCES, words, budget=45)
    assert "text2" in first
    assert "text3" not in second
    assert second.startswith("[4] page: H")
    assert all("text" in text for text in fitted(SOURCES, words, budget=5))
