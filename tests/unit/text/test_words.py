"""Content words, stems, and text on one line."""

from __future__ import annotations

from rag.text.lines import one_line
from rag.text.words import stems, words


def test_function_words_and_case_are_ignored() -> None:
    assert words("How do I back up THE `work_mem` of 2 databases?") == {"back", "up", "work_mem", "2", "databases"}


def test_forms_of_a_word_share_a_stem() -> None:
    assert stems("configured") == stems("configuration")


def test_white_space_of_any_kind_becomes_one_space() -> None:
    assert one_line(" a\n\tb\u00a0 c ") == "a b c"
    assert one_line(ValueError("two\nlines")) == "two lines"
