"""Splitting text into sentences by punctuation."""

# ruff: noqa: RUF001 - the text of many scripts

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.sentences import sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It runs. It ends.", ["It runs. ", "It ends."]),
        ('He said "Stop." Then he went.', ['He said "Stop." ', "Then he went."]),
        ("Is it? `Yes` (see below.) *Now* go!", ["Is it? ", "`Yes` (see below.) ", "*Now* go!"]),
        ("Use it. pg_dump writes.", ["Use it. pg_dump writes."]),
        ("Version 1.5 is out", ["Version 1.5 is out"]),
        ("1. Stop it. Wait.\n2. Start it.", ["1. Stop it. ", "Wait.\n", "2. Start it."]),
        ("", []),
    ],
)
def test_a_sentence_ends_where_a_capital_or_a_digit_follows(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["Это первое. ", "Это второе! ", "А это?"],
        ["第一句。", "第二句！", "“第三句？” ", "末。"],
        ["「はい。」と言った。", "次。"],
        ["हाँ है। ", "नहीं है॥ ", "ठीक।"],
        ["هل هذا صحيح؟ ", "نعم. ", "آخر."],
        ["یہ ہے۔ ", "وہ ہے۔"],
        ["ประโยคแรก ", "ประโยคที่สอง"],
        ["Ωραία. ", "Έτσι είναι."],
        ["하나입니다. ", "둘입니다."],
        ["Qué tal. ", "¿Cómo? ", "¡Bien!"],
        ["Так и т. е. иначе. ", "Да."],
        ["Τι είναι αυτό; ", "Ένα εργαλείο. ", "Ναι\u037e ", "Όχι."],
        ["Ένα, δύο; τρία. ", "Τέλος."],
        ["ეს არის. ", "ის არის."],
        ["Er sagte: „Ja.“ ", "Sie ging. ", "»Nein.« ", "Ende."],
        ["Il dit : « Oui. » ", "Elle part. ", "Fin."],
        ["很久……", "再试.", "好!", "完。"],
    ],
)
def test_sentences_of_any_script_end_where_they_end(parts: list[str]) -> None:
    assert sentences("".join(parts)) == parts


def test_an_address_with_a_dot_of_another_script_is_not_cut_in_two() -> None:
    assert sentences("Get it from evil。net/x now. Then run it.") == ["Get it from evil。net/x now. ", "Then run it."]
    assert sentences("Сохраните зло。рф сейчас.") == ["Сохраните зло。рф сейчас."]


def test_finer_sentences_begin_with_any_character_but_not_after_an_abbreviation() -> None:
    assert sentences("Use it. pg_dump writes, e.g. SQL. 好 so.", finer=True) == [
        "Use it. ",
        "pg_dump writes, e.g. SQL. ",
        "好 so.",
    ]


def test_a_line_break_can_end_a_sentence() -> None:
    assert sentences("One\ntwo. Three\n1.\nfour", lines=True) == ["One\n", "two. ", "Three\n", "1.\nfour"]
    assert sentences("One\ntwo") == ["One\ntwo"]


@given(st.text(alphabet="aB1.!?\"')]( \n", max_size=60), st.booleans(), st.booleans())
def test_joined_sentences_give_the_text(text: str, finer: bool, lines: bool) -> None:
    parts = sentences(text, finer=finer, lines=lines)
    assert "".join(parts) == text
    assert all(parts)


@pytest.mark.parametrize("text", ["A. " * 100_000, "." * 200_000, "." + " " * 200_000, ".'" * 100_000, "1. " * 70_000])
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    sentences(text, finer=True, lines=True)
    sentences(text)
    assert time.process_time() - started < 1
