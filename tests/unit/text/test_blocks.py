"""Blocks of Markdown: fenced code, headings, lists and tables."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.blocks import (
    Heading,
    blocks,
    heading,
    is_code,
    is_item,
    is_table,
    lines_with_code,
    open_fence,
    terms,
)

MARKDOWN = st.lists(
    st.one_of(
        st.sampled_from(["```", "````sh", "~~~", "# A", "## B {#b}", "", "- a", "1. b", "| a |", "> ```", "``` [1]"]),
        st.text(max_size=20),
    ),
    max_size=20,
).map("\n".join)


def test_a_text_is_split_at_blank_lines_fences_and_headings() -> None:
    text = "# Guide\nRead this.\n```sh\n# no heading\n\nmake\n```\nThen this.\n\n- a\n- b"
    assert list(blocks(text)) == [
        "# Guide",
        "Read this.",
        "```sh\n# no heading\n\nmake\n```",
        "Then this.",
        "- a\n- b",
    ]


def test_a_heading_can_stay_with_the_text_below_it() -> None:
    assert list(blocks("# Guide\nRead this.", headings=False)) == ["# Guide\nRead this."]


def test_a_block_is_yielded_as_soon_as_it_is_complete() -> None:
    read: list[str] = []

    def lines() -> list[str]:
        return ["One.", "", "```", "code", "```", "never read"]

    def arriving() -> object:
        for line in lines():
            read.append(line)
            yield line

    found = blocks(arriving())  # type: ignore[arg-type]
    assert (next(found), len(read)) == ("One.", 2)
    assert (next(found), len(read)) == ("```\ncode\n```", 5)


def test_citation_markers_may_optionally_follow_a_closing_fence() -> None:
    text = "```\ncode\n``` [1, 2]\nNext."
    assert list(blocks(text, markers=True)) == ["```\ncode\n``` [1, 2]", "Next."]
    assert list(blocks(text)) == [text]


@given(MARKDOWN)
def test_blocks_keep_every_line_with_text_in_order(text: str) -> None:
    found = list(blocks(text))
    assert all(block.strip() and block in text for block in found)
    assert [line for block in found for line in block.split("\n") if line.strip()] == [
        line for line in text.split("\n") if line.strip()
    ]


@pytest.mark.parametrize("line", ["```", "```python title=x", "  ~~~", "~~~ a`b", "````"])
def test_a_fence_opens_code(line: str) -> None:
    assert open_fence(line)
    assert is_code(f"{line}\ncode")


@pytest.mark.parametrize("line", ["```make``` runs it.", "``", "text ```", "- ```sh", "> ~~~"])
def test_other_backticks_do_not_open_a_fence(line: str) -> None:
    assert open_fence(line) is None
    assert not is_code(f"{line}\ntext")


def test_a_nested_fence_keeps_the_text_before_it() -> None:
    fence = open_fence('> 1. ```sh title="x"', nested=True)
    assert fence
    assert (fence.before, fence.mark, fence.info) == ("> 1. ", "```", 'sh title="x"')
    assert fence.is_closed_by("> ```")


def test_a_fence_is_closed_only_by_its_kind_and_at_least_its_length() -> None:
    fence = open_fence("````")
    assert fence
    assert [fence.is_closed_by(line) for line in ("  ````", "`````", "```", "~~~~", "> ````", "```` x")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_lines_of_code_are_distinguished_from_text() -> None:
    lines = ["a", "> ```", "> b", "> ```", "c"]
    assert [is_in_code for _, is_in_code in lines_with_code(lines, nested=True)] == [False, True, True, True, False]
    assert not any(is_in_code for _, is_in_code in lines_with_code(lines))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("# Guide", Heading(1, "Guide")),
        ("###### Deep ##", Heading(6, "Deep")),
        ("## C#", Heading(2, "C#")),
        ("##", Heading(2, "")),
        ("## ##", Heading(2, "")),
        ("####### Seven", None),
        ("#include", None),
        (" # Indented", None),
        ("# One\nand a line", None),
    ],
)
def test_headings_are_recognised(line: str, found: Heading | None) -> None:
    assert heading(line) == found


def test_a_heading_may_optionally_be_indented() -> None:
    assert heading("   # A", indent=3) == Heading(1, "A")
    assert heading("    # A", indent=3) is None


@pytest.mark.parametrize("text", ["| a | b |\n| --- | :-: |\n| 1 | 2 |", "| a |\n|-|", "  | a | b |\n  |--|--"])
def test_tables_are_recognised(text: str) -> None:
    assert is_table(text)


@pytest.mark.parametrize("text", ["| --force | yes |\n| --quiet | no |", "| a |", "a | b\n- | -", "| a |\ntext"])
def test_rows_without_a_header_are_not_a_table(text: str) -> None:
    assert not is_table(text)


def test_list_items_are_recognised() -> None:
    assert all(map(is_item, ("- a", "  * b", "12. c", "3) d", "**term**\nis defined")))
    assert not any(map(is_item, ("a", "-a", "1.5 is more", "**bold** text")))


@pytest.mark.parametrize(
    "text", ["`" * 200_000, "# " + " #" * 100_000, "# " + " " * 200_000 + "\nx", "|" + " -" * 100_000, "- " * 100_000]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    list(blocks(text))
    heading(text)
    open_fence(text, nested=True)
    is_table(f"| a |\n{text}")
    assert time.process_time() - started < 1


@pytest.mark.parametrize("closing", ["    ```", "\t```", "      ```"])
def test_an_indented_fence_closes_no_code(closing: str) -> None:
    assert list(blocks(f"```\na\n{closing}\nb\n```\n\nc")) == [f"```\na\n{closing}\nb\n```", "c"]
    assert list(blocks("   ```\na\n   ```\n\nc")) == ["   ```\na\n   ```", "c"]


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("**a**\nIts meaning.", (["**a**"], "Its meaning.")),
        ("`a`\n`b`\nText\nmore", (["`a`", "`b`"], "Text\nmore")),
        ("**a** : kind\nText", (["**a** : kind"], "Text")),
        ("**a**, `b`\nText", (["**a**, `b`"], "Text")),
        ("**a**", ([], "**a**")),
        ("**a** is text\nmore", ([], "**a** is text\nmore")),
    ],
)
def test_a_definition_begins_with_its_terms(block: str, found: tuple[list[str], str]) -> None:
    assert terms(block) == found
