"""Anchors, which sources write into text and the chunker reads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.anchors import Anchor, anchored, escape_anchor, split_anchor

FRAGMENTS = st.text(alphabet="abcXYZ019_.:-/%é", min_size=1, max_size=20)
VALUES = st.dictionaries(st.sampled_from(["author", "at", "answer"]), st.text(max_size=20).filter(str.isprintable))


@given(FRAGMENTS, VALUES)
def test_a_written_anchor_is_read_unchanged(fragment: str, attributes: dict[str, str]) -> None:
    line = anchored("## Title", fragment, attributes)
    kept = {key: value.translate(str.maketrans("", "", '"{}')) for key, value in attributes.items()}
    assert split_anchor(line) == ("## Title", Anchor(fragment, tuple(kept.items())))


def test_a_line_without_a_fragment_is_unchanged() -> None:
    assert anchored("## Title", "") == anchored("## Title", None) == "## Title"


@pytest.mark.parametrize("line", ["text {#a} more", "{#a b}", "{#}", "{# a}", '{#a b="c}', "plain", "## {.class}"])
def test_other_braces_are_text(line: str) -> None:
    assert split_anchor(line) == (line, None)


@given(st.text(alphabet='{}# a="\n\\', max_size=40))
def test_escaped_text_contains_no_anchor(text: str) -> None:
    assert all(split_anchor(line)[1] is None for line in escape_anchor(text).split("\n"))


def test_escaping_changes_only_anchors() -> None:
    assert escape_anchor("f{#x} and {} and ## Title") == "f{#x} and {} and ## Title"
    assert escape_anchor("## Title {#mine}\n\nSee {#b c}") == "## Title {\\#mine}\n\nSee {\\#b c}"


@pytest.mark.parametrize("text", ["{#" * 100_000, "{#" + "a" * 200_000, "x" + " " * 200_000, '{#a a="' * 30_000])
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    split_anchor(text)
    escape_anchor(text)
    assert time.process_time() - started < 1
