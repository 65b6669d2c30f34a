"""A number near an end of a sentence may cite in a form that nobody has listed."""

from __future__ import annotations

import pytest

from rag.text.citation_guesses import guesses
from tests.growth import takes_linear_time

SOURCES = range(1, 4)
SAID = "Use pg_dump to write one database"

FORMS = [
    "{} «2».", "{} 「2」.", '{} "2".', "{} |2|.", "{} #2.", "{} †2.", "{}~2~.", "{} $2$.", r"{} \(2\).", "{} `2`.", "{} @2.",
    "{} [2 Install].", "{} [Install, 2].", "{} *(2)*.", '{} {{"source": 2}}.', "{} {{{{ cite(2) }}}}.", "{} {{% cite 2 %}}.", '{} ["2"].',
    "{}.2", "{}.(2)", "(2) {}.", "Source 2: {}.", "[source no. 2]: {}.", "{} --2.",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_sentence_may_be_read_without_the_number(form: str) -> None:
    read = [(said.strip(" .,"), number) for said, number, _ in guesses(form.format(SAID), SOURCES)]
    assert (SAID, 2) in read


@pytest.mark.parametrize(
    "sentence",
    [
        "Use 2 tasks to write one database.",
        "Use pg_dump 2.",
        "It has 100% of them.",
        "Wait (9 seconds).",
        "Use it.",
        "",
    ],
)
def test_a_number_within_a_sentence_and_one_of_no_source_cite_nothing(sentence: str) -> None:
    assert not list(guesses(sentence, SOURCES))


@pytest.mark.parametrize("text", ["(1", "1", "[", "a 1 ", "- ", ". ", "`1"])
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert takes_linear_time(lambda part: list(guesses(part, SOURCES)), text)
