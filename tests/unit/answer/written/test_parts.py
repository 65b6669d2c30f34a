"""The parts of a written answer, which come as soon as each is known to be whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis.strategies import lists, sampled_from

from rag.answer.written.part import Part
from rag.answer.written.parts import parts
from rag.answer.written.writer import _lines


def parted(*pieces: str) -> list[Part]:
    return list(parts(_lines(pieces)))


def shown(found: list[Part]) -> str:
    """The text that the parts make, as a draft shows them."""
    return "".join(f"{part.joint or ''}{part.text}" + ("\n\n" if part.ends else "") for part in found).strip()


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("One [1]. Two [2].", ["One [1].", "Two [2]."]),
        ("One. [1] Two. [2]", ["One. [1]", "Two. [2]"]),
        ("One. Two [2]. Three.", ["One. Two [2].", "Three."]),
        ("Use e.g. pg_dump [1]. Or `a. b [1]. c` [2].", ["Use e.g. pg_dump [1].", "Or `a. b [1]. c` [2]."]),
        ("One 【1】. Two (2). Three [3].", ["One 【1】.", "Two (2).", "Three [3]."]),
        ("一つ [1]。二つ [2]。", ["一つ [1]。", "二つ [2]。"]),
        ("Do:\n- one [1]\n- two [2]. More.\n\nEnd [1].", ["Do:\n- one [1]", "- two [2].", "More.", "End [1]."]),
        ("```sh\none. two [1]. three\n```\n\nEnd [1].", ["```sh\none. two [1]. three\n```", "End [1]."]),
        ("| a | b |\n|---|---|\n| One [1]. Two | c [2]. |", ["| a | b |\n|---|---|\n| One [1]. Two | c [2]. |"]),
    ],
)  # fmt: skip
def test_a_part_ends_behind_a_sentence_or_item_that_cites(text: str, texts: list[str]) -> None:
    found = parted(text)
    assert [part.text for part in found if part.text] == texts
    assert shown(found) == text


def test_a_sentence_comes_with_the_first_letter_of_the_next() -> None:
    pieces = iter(["One ", "[1].", " ", "T", "wo"])
    arriving = parts(_lines(pieces))
    assert next(arriving) == Part("One [1].", None, ends=False)
    assert list(pieces) == ["wo"]


WORDS = [
    "Use it",
    " [1]",
    "[2]",
    ".",
    ". ",
    " ",
    "\n",
    "\n\n",
    "- ",
    "`",
    "```",
    "**",
    "1. ",
    "| ",
    "。",
    "【3】",
    "e.g. ",
    "(1)",
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(lists(sampled_from(WORDS), max_size=20))
def test_the_parts_do_not_depend_on_how_the_text_arrives(pieces: list[str]) -> None:
    whole = "".join(pieces)
    found = parted(*pieces)
    assert found == parted(whole) == parted(*whole)
    assert "".join(shown(found).split()) == "".join(whole.split())
