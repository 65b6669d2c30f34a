"""What an edge between two chunks cuts, and which neighbours make it whole again."""

from __future__ import annotations

import pytest

from rag.models import SearchResult, Voice
from rag.text.neighbours import joined, runs_on, stretches, with_neighbours


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


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The commands are as follows:", "- one\n- two"),
        ("Run this.", "```sh\nmake\n```"),
        ("```sql\nSELECT 1,\n```", "```sql\n       2;\n```"),
        ("1. Stop it.\n2. Copy it.", "3. Start it."),
        ("Move it like this.\n1. Stop it.\n2. Copy it.", "3. Start it."),
        ("There are two modes:\n\n**`on`**\nIt is on.", "**`off`**\nIt is off."),
        ("| a | b |\n| --- | --- |\n| 1 | 2 |", "| a | b |\n| --- | --- |\n| 3 | 4 |"),
        ("```\nf(x)\n```", "where `x` is a number."),
    ],
)
def test_what_an_edge_cuts_runs_on(first: str, second: str) -> None:
    assert runs_on(chunk(first), chunk(second))
    assert not runs_on(chunk(first), chunk(second, heading="another section"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It is done.", "Another thing is this."),
        ("It is done.", "pg_dump writes a file."),
        ("```sh\nmake\n```", "Then it is built."),
        ("- `a`: the first", "- `b`: the second"),
        ("It came with version\n9. It is gone.", "12. Done"),
        ("**`--a`**\nThe first.", "**`--b`**\nThe second."),
    ],
)
def test_what_is_whole_does_not(first: str, second: str) -> None:
    assert not runs_on(chunk(first), chunk(second))


def test_what_one_person_says_does_not_go_on_in_what_another_does() -> None:
    first, second = chunk("As follows:"), chunk("- one")
    ann, bob = Voice("ann", "none", "2024-01-01"), Voice("bob", "none", "2024-01-02")
    said = [SearchResult(**{**_fields(one), "voices": ((0, who),)}) for one, who in ((first, ann), (second, bob))]
    assert not runs_on(*said)
    assert runs_on(said[0], SearchResult(**{**_fields(second), "voices": ((0, ann),)}))


def _fields(result: SearchResult) -> dict[str, object]:
    return {name: getattr(result, name) for name in SearchResult.__slots__}


def test_cut_code_and_tables_are_made_whole() -> None:
    assert joined("```sql\nSELECT 1,\n```", "```sql\n  2;\n```") == "```sql\nSELECT 1,\n  2;\n```"
    assert joined("| a |\n| --- |\n| 1 |", "| a |\n| --- |\n| 2 |") == "| a |\n| --- |\n| 1 |\n| 2 |"
    assert joined("```sh\nmake\n```", "```sql\nSELECT 1;\n```") is None
    assert joined("- a", "- b") is None


def test_a_hit_comes_with_the_neighbours_that_it_needs_and_no_others() -> None:
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


def test_an_explanation_comes_with_what_it_refers_to() -> None:
    around = [chunk("A vacuum reclaims space.", 4), chunk("Nothing follows.", 6)]
    found = with_neighbours([chunk("This takes long.", 5)], around)
    assert [one.ordinal for one in found] == [4, 5]


def test_code_is_followed_over_two_edges_and_hits_that_meet_are_put_together() -> None:
    page = ["Run:", "```\na\n```", "```\nb\n```", "```\nc\n```"]
    chunks = [chunk(text, ordinal) for ordinal, text in enumerate(page)]
    assert [one.ordinal for one in with_neighbours([chunks[0]], chunks[1:])] == [0, 1, 2]
    hits = [chunk(page[3], 3, rank=1), chunk(page[1], 1, rank=2)]
    found = with_neighbours(hits, [chunks[0], chunks[2]])
    assert [(one.ordinal, one.is_neighbour) for one in found] == [(0, True), (1, False), (2, True), (3, False)]
