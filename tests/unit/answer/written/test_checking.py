"""What a language model writes is shown as far as the sources support it."""

from __future__ import annotations

import pytest

from rag.answer.draft import Draft
from rag.answer.written.checking import checked
from rag.answer.written.part import Part
from tests.unit.answer.written.test_grounding import GUIDE, OTHER, QUESTION, checker, chunk

SAID = "Use pg_dump to write one database to a file"


def drafted(*blocks: str) -> Draft:
    draft = Draft([chunk(GUIDE), chunk(OTHER, document="e")], QUESTION)
    for part in checked(map(Part, blocks), checker(), draft):
        draft.add(part)
    return draft


def test_an_answer_that_is_fenced_as_markdown_behind_a_sentence_is_text() -> None:
    assert drafted("Here is the answer:", f"```markdown\n{SAID} [1].\n```").text == f"{SAID} [1]."


def test_control_characters_are_not_shown() -> None:
    assert drafted(f"{SAID}\0\x1b [1].").text == f"{SAID} [1]."


@pytest.mark.parametrize(
    "said", ["Leider enthalten die Quellen keine Antwort.", "No hay información sobre eso en las fuentes."]
)
def test_what_no_source_supports_may_decline(said: str) -> None:
    draft = drafted(said)
    assert (draft.text, draft.is_declined) == ("", True)


def test_a_supported_sentence_about_sources_is_no_abstention() -> None:
    draft = Draft([chunk("The sources of the package do not contain binaries.")], QUESTION)
    for part in checked(
        [Part("The sources of the package do not contain binaries [1].")], checker(*draft.results), draft
    ):
        draft.add(part)
    assert draft.text == "The sources of the package do not contain binaries [1]."
    assert not draft.is_declined
