"""Content words, stems, and text on one line."""

# ruff: noqa: RUF001 - other scripts are the point
from __future__ import annotations

import pytest

from rag.text.lines import one_line
from rag.text.words import stems, words


def test_function_words_and_case_are_ignored() -> None:
    assert words("How do I back up THE `work_mem` of 2 databases?") == {"back", "up", "work_mem", "2", "databases"}


def test_forms_of_a_word_share_a_stem() -> None:
    assert stems("configured") == stems("configuration")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Остановить Базу", {"остановить", "базу"}),
        ("停止する stop", {"停止", "止す", "する", "stop"}),
        ("停", {"停"}),
        ("중지하려면 명령", {"중지", "지하", "하려", "려면", "명령"}),
        ("قاعدة البيانات", {"قاعدة", "البيانات"}),
        ("βάση δεδομένων", {"βάση", "δεδομένων"}),
        ("नमस्ते दुनिया", {"नमस्ते", "दुनिया"}),
        ("veritabanını e\u0301t\u00e9", {"veritabanını", "été"}),
        ("ＦＵＬＬ-width work_mem №5", {"full", "width", "work_mem", "no5"}),
    ],
)
def test_words_are_found_in_every_script(text: str, expected: set[str]) -> None:
    assert words(text) == expected


def test_white_space_of_any_kind_becomes_one_space() -> None:
    assert one_line(" a\n\tb\u00a0 c ") == "a b c"
    assert one_line(ValueError("two\nlines")) == "two lines"
