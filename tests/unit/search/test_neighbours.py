"""The neighbours that complete a search result."""

from __future__ import annotations

from rag.search.neighbours import continues, stretches, with_neighbours
from rag.search.results import SearchResult
from rag.trust.authorship import Voice


def chunk(text: str, ordinal: int = 0, *, rank: int = 1, heading: str = "H", document: str = "d") -> SearchResult:
    return SearchResult(
        rank=rank,
        chunk_id=f"{document}#{ordinal}",
        document_id=document,
        url=f"https://example.org/{document}",
        title="T",
        source="docs",
        kind="page",
        heading=heading,
        text=text,
        score=1 / rank,
        ordinal=ordinal,
    )


def test_another_section_does_not_continue_a_chunk() -> None:
    assert continues(chunk("As follows:"), chunk("- one"))
    assert not continues(chunk("As follows:"), chunk("- one", heading="another section"))


def test_text_of_another_author_does_not_continue_a_chunk() -> None:
    first, second = chunk("As follows:"), chunk("- one")
    ann, bob = Voice("ann", "none", "2024-01-01"), Voice("bob", "none", "2024-01-02")
    said = [SearchResult(**{**_fields(one), "voices": ((0, who),)}) for one, who in ((first, ann), (second, bob))]
    assert not continues(*said)
    assert continues(said[0], SearchResult(**{**_fields(second), "voices": ((0, ann),)}))


def _fields(result: SearchResult) -> dict[str, object]:
    return {name: getattr(result, name) for name in SearchResult.__slots__}


def test_a_hit_gets_only_the_neighbours_that_complete_it() -> None:
    page = ["Before.", "Do this:", "```sh\nmake\n```", "Done."]
    around = [chunk(text, ordinal) for ordinal, text in enumerate(page)]
    found = with_neighbours([chunk(page[2], 2), chunk("Alone.", document="other", rank=2)], around)
    assert [(one.text, one.is_neighbour) for one in found] == [
        ("Do this:", True),
        ("```sh\nmake\n```", False),
        ("Alone.", False),
    ]
    assert {one.rank for one in found[:2]} == {1}
    assert stretches(found) == [[1, 2], [3]]


def test_an_explanation_gets_the_chunk_it_refers_to() -> None:
    around = [chunk("A vacuum reclaims space.", 4), chunk("Nothing follows.", 6)]
    found = with_neighbours([chunk("This takes long.", 5)], around)
    assert [one.ordinal for one in found] == [4, 5]


def test_code_is_completed_over_two_edges_and_adjacent_hits_are_merged() -> None:
    page = ["Run:", "```\na\n```", "```\nb\n```", "```\nc\n```"]
    chunks = [chunk(text, ordinal) for ordinal, text in enumerate(page)]
    assert [one.ordinal for one in with_neighbours([chunks[0]], chunks[1:])] == [0, 1, 2]
    hits = [chunk(page[3], 3, rank=1), chunk(page[1], 1, rank=2)]
    found = with_neighbours(hits, [chunks[0], chunks[2]])
    assert [(one.ordinal, one.is_neighbour) for one in found] == [(0, True), (1, False), (2, True), (3, False)]


def test_the_name_line_of_a_manual_page_is_completed_by_its_synopsis() -> None:
    name = chunk("tool-clone - Copy a store", heading="tool-clone › NAME")
    usage = chunk("```\ntool clone <url>\n```", 1, heading="tool-clone › SYNOPSIS")
    assert [one.ordinal for one in with_neighbours([name], [usage])] == [0, 1]
    for text in ("Copies a store.", "- **Sharding** - See the guide"):
        assert [one.ordinal for one in with_neighbours([chunk(text)], [usage])] == [0]


def test_a_chunk_goes_on_if_the_chunk_before_it_is_of_its_section() -> None:
    (second,) = with_neighbours([chunk("More.", 1)], [chunk("First.", 0)])
    (other,) = with_neighbours([chunk("More.", 1, heading="Other")], [chunk("First.", 0)])
    assert (second.goes_on, other.goes_on) == (True, False)
