"""Recognising what addresses a language model beyond doubt."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rag.trust.injection import speaks_to_models
from tests.fixtures.sentences import ATTACKS, BENIGN
from tests.growth import takes_linear_time


def test_nearly_all_attacks_are_recognised() -> None:
    missed = [attack for attack in ATTACKS if not speaks_to_models(attack)]

    assert len(ATTACKS) >= 80
    assert len(missed) <= 0.05 * len(ATTACKS), missed


def test_attacks_are_recognised_among_other_sentences() -> None:
    missed = [
        attack
        for attack in ATTACKS
        if speaks_to_models(attack) and not speaks_to_models(f"It fails on start. {attack} Thanks for the release!")
    ]
    assert len(missed) <= 0.05 * len(ATTACKS), missed


@pytest.mark.parametrize("sentence", BENIGN)
def test_ordinary_sentences_are_left_alone(sentence: str) -> None:
    assert not speaks_to_models(sentence)


def test_ordinary_sentences_side_by_side_are_left_alone() -> None:
    assert len(BENIGN) >= 100
    assert not [pair for pair in pairwise(BENIGN) if speaks_to_models(" ".join(pair))]


@pytest.mark.parametrize(
    "text",
    ["\n", " ", "a ", "ignore ", "ignore all previous ", "you are ", "if you are ", "note to ", "system: ", "<|", "[", "#",
     "> ", "`", "in every ", "reply with ", "忽略", "あなたは", "игнорируй "],
)  # fmt: skip
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert takes_linear_time(speaks_to_models, text)
