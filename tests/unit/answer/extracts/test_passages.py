"""Passages: definitions keep their terms, lists their introduction, code its explanation, rows the head of their table."""

from __future__ import annotations

import pytest

from rag.answer.extracts.passages import Passage, passages
from rag.search.results import SearchResult

LONG = "This sentence is here because a paragraph has to be long before it is cut into runs of sentences. "


def of(text: str, *, heading: str = "Tool › Options") -> list[Passage]:
    result = SearchResult(
        rank=1, chunk_id="c", document_id="d", url="u", title="Tool", source="s", kind="page", heading=heading,
        text=text, score=0.9,
    )  # fmt: skip
    return passages([result])


def test_a_definition_stays_with_its_term_and_what_follows_belongs_to_it() -> None:
    first, second, third = of(
        "**--soft**\nKeeps the files.\n\nNothing else is touched by it, neither index nor files.\n\n**--hard**\nDrops all."
    )
    assert (first.term, first.text) == ("--soft", "**--soft**\nKeeps the files.")
    assert (second.label, second.path) == ("**--soft**", "Tool › Options › --soft")
    assert third.term == "--hard"


def test_a_short_list_of_definitions_stays_with_the_sentence_that_announces_it() -> None:
    text = "There are two modes:\n\n**open**\nAll may.\n\n**shut**\nNone may."
    assert [passage.text for passage in of(text)] == [text]


def test_an_item_of_a_long_list_has_the_introduction_of_the_list() -> None:
    items = "\n".join(f"- Item {number}: {LONG}" for number in range(12))
    found = of(f"The tool does this:\n\n{items}")
    assert len(found) == 12
    assert all(passage.text.startswith("The tool does this:\n\n- Item") for passage in found)


def test_a_row_of_a_long_table_has_the_head_of_the_table() -> None:
    rows = "\n".join(f"| option{number} | {LONG} |" for number in range(12))
    found = of(f"| Name | Meaning |\n| --- | --- |\n{rows}")
    assert [passage.text.split("\n")[0] for passage in found] == ["| Name | Meaning |"] * 12
    assert "option7" in found[7].text


def test_a_heading_within_a_chunk_labels_the_passages_below_it() -> None:
    (passage,) = of("### Undo\n\nUse it to undo a change.")
    assert (passage.text, passage.path) == ("Use it to undo a change.", "Tool › Options › Undo")


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    found = of(LONG * 12)
    assert len(found) > 1
    assert all(passage.text.endswith(".") for passage in found)


def test_a_line_that_looks_hostile_to_patterns_is_read_in_no_time() -> None:
    assert of("`" + "a " * 5000 + "`" + ", " * 5000)


def test_the_name_line_of_a_manual_page_stands_with_the_first_lines_of_its_synopsis() -> None:
    usage = "\n".join(f"tool clone --option{number} <url>" for number in range(9))
    entry, synopsis, text = of(
        f"## NAME\n\ntool-clone - Copy a store\n\n## SYNOPSIS\n\n```\n{usage}\n```\n\n## DESCRIPTION\n\n{LONG}"
    )
    assert (entry.is_entry, entry.term) == (True, "tool-clone")
    assert entry.text.startswith("tool-clone - Copy a store\n\n```\ntool clone --option0 <url>\n")
    assert entry.text.endswith("--option5 <url>\n```")
    assert not synopsis.is_entry
    assert not text.is_entry


@pytest.mark.parametrize("synopsis", ["```", "``` x", "```\ntool clone <url>", "```\n```"])
def test_a_synopsis_that_is_empty_or_left_open_is_read(synopsis: str) -> None:
    entry, *_ = of(f"## NAME\n\ntool-clone - Copy a store\n\n## SYNOPSIS\n\n{synopsis}")
    assert entry.text == f"tool-clone - Copy a store\n\n{synopsis}"


def test_a_passage_knows_whether_it_opens_its_section() -> None:
    found = of(f"{LONG}\n\nAnother paragraph follows it.\n\n## Other\n\n{LONG}\n\n**--soft**\nKeeps the files.")
    assert [passage.opens for passage in found] == [True, False, True, True]
