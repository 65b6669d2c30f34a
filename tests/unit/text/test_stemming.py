"""Stems are those of Postgres's dictionaries, so that a term of the index is found in a text."""

from __future__ import annotations

import pytest

from rag.text.stemming import stem


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("decorators", "decor"),
        ("certificates", "certif"),
        ("negotiated", "negoti"),
        ("файлов", "файл"),
        ("日本", "日本"),
    ],
)
def test_a_word_has_the_stem_of_its_language(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed
