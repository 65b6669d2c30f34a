"""When an unsure answer gives way to that of another version: its page, or what it quotes, must be new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from rag.answer.answer import Answer, Citation
from rag.answer.versions import Versioned
from rag.search.editions import Choice
from rag.search.searcher import Searcher
from rag.store.documents import DocumentRow, Edition

FAX = "The fax gateway is configured in `fax.ini`."
PHONE = "The telephone is configured in `phone.ini`."


class Editions(Searcher):
    """A searcher of some editions that finds nothing by itself."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = list(keys)

    def search(self, *_arguments: Any, **_settings: Any) -> list[Any]:
        return []


def page(version: str, name: str, text: str) -> DocumentRow:
    url = f"https://docs.example.org/{version}/{name}.html"
    return DocumentRow(url, "manual", "page", url, name, text, {"versions": [version]}, "")


def answer(row: DocumentRow, quote: str, score: float) -> Answer:
    cited = Citation(1, row.url, row.title, row.source, row.kind, score, quote)
    return Answer("?", True, f"{quote} [1]", (cited,), embedding_model="", llm="", score=score)


def answered_for(new: Answer, old: Answer, rows: Sequence[DocumentRow]) -> str | None:
    """Return the version that answers a question which names none."""
    choice = Choice("15", False, "?", ("manual 15",), (Edition("manual", "14", True),), ())
    versioned = Versioned(
        choice,
        "?",
        lambda keys: Editions(keys),
        lambda searcher: old if cast(Editions, searcher).keys == ["manual 14"] else new,
        lambda urls: [row for row in rows if row.url in urls],
        is_extractive=True,
    )
    *_, last = versioned.stream(iter([new]))
    assert isinstance(last, Answer)
    return last.version


@pytest.mark.parametrize(("score", "version"), [(0.65, "14"), (0.61, "15")])
def test_a_page_that_the_newest_version_lacks_answers_if_it_is_likelier(score: float, version: str) -> None:
    new, old = page("15", "phone", PHONE), page("14", "fax", FAX)
    assert answered_for(answer(new, PHONE, 0.6), answer(old, FAX, score), [new, old]) == version


@pytest.mark.parametrize(("score", "version"), [(0.75, "14"), (0.65, "15")])
def test_a_text_that_the_page_of_the_newest_version_lacks_must_be_much_likelier(score: float, version: str) -> None:
    new, old = page("15", "gateways", PHONE), page("14", "gateways", f"{PHONE} {FAX}")
    assert answered_for(answer(new, PHONE, 0.6), answer(old, FAX, score), [new, old]) == version


def test_a_text_that_the_newest_version_has_as_well_is_answered_from_there() -> None:
    new, old = page("15", "gateways", f"{PHONE} {FAX}"), page("14", "gateways", FAX)
    assert answered_for(answer(new, PHONE, 0.6), answer(old, FAX, 0.9), [new, old]) == "15"


def test_a_sure_answer_stays() -> None:
    new, old = page("15", "phone", PHONE), page("14", "fax", FAX)
    assert answered_for(answer(new, PHONE, 0.7), answer(old, FAX, 0.95), [new, old]) == "15"
