"""When an unsure answer gives way to that of another version: its page, or what it quotes, must be new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from rag.answer.answer import Answer, Citation
from rag.answer.versions import Versioned
from rag.search.editions import Choice
from rag.search.searcher import Searcher
from rag.store.documents import DocumentRow, Edition

FAX = "The fax gateway is configured in `fax.ini`."
PHONE = "The telephone is configured in `phone.ini`."


PING = "The address of the ping is set with the option `entry`."


class Editions(Searcher):
    """A searcher of some editions that finds all of their pages."""

    def __init__(self, keys: Sequence[str], rows: Sequence[DocumentRow]) -> None:
        self.keys = list(keys)
        self.rows = [row for row in rows if f"manual {row.metadata['versions'][0]}" in keys]

    def search(self, *_arguments: Any, **_settings: Any) -> list[Any]:
        return self.rows


def page(version: str, name: str, text: str) -> DocumentRow:
    url = f"https://docs.example.org/{version}/{name}.html"
    return DocumentRow(url, "manual", "page", url, name, text, {"versions": [version]}, "")


def answer(row: DocumentRow, quote: str, score: float, *, answered: bool = True) -> Answer:
    cited = Citation(1, row.url, row.title, row.source, row.kind, score, quote)
    return Answer("?", answered, f"{quote} [1]", (cited,), embedding_model="", llm="", score=score)


def versioned(new: Answer, old: Answer, rows: Sequence[DocumentRow], question: str = "?") -> Answer:
    """Return the answer to a question that names no version; both editions have closest passages."""

    def answered(searcher: Searcher) -> Answer:
        return old if cast(Editions, searcher).keys == ["manual 14"] else new

    choice = Choice("15", False, question, ("manual 15",), (Edition("manual", "14", True),), ())
    *_, last = Versioned(
        choice,
        question,
        lambda keys: Editions(keys, rows),
        answered,
        lambda searcher: replace(answered(searcher), answered=True),
        lambda urls: [row for row in rows if row.url in urls],
        is_extractive=True,
    ).stream(iter([new]))
    assert isinstance(last, Answer)
    return last


def answered_for(new: Answer, old: Answer, rows: Sequence[DocumentRow]) -> str | None:
    return versioned(new, old, rows).version


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


@pytest.mark.parametrize("question", ["?", "What is phone_line?"])
def test_a_sure_answer_stays(question: str) -> None:
    new, old = page("15", "phone", f"{PHONE} It sets `phone_line`."), page("14", "fax", FAX)
    found = versioned(answer(new, PHONE, 0.7), answer(old, FAX, 0.95), [new, old], question)
    assert found.version == "15"


@pytest.mark.parametrize(("score", "version"), [(0.55, "15"), (0.75, "14")])
def test_what_an_older_version_says_is_no_news_if_the_newest_has_it_on_another_page(score: float, version: str) -> None:
    new, old = page("15", "health", f"{PHONE} {PING}"), page("14", "ping", PING)
    found = versioned(answer(new, PHONE, 0.45, answered=False), answer(old, PING, score), [new, old])
    assert (found.answered, found.version) == (True, version)


@pytest.mark.parametrize(
    ("name", "version"), [("fax_device", "14"), ("faxDevice", "14"), ("--fax-device", "14"), ("fax_gateway", "15")]
)
def test_a_name_that_only_an_older_version_has_is_shown_from_there(name: str, version: str) -> None:
    text = "`fax_device`, `faxDevice` and `--fax-device` are the same."
    new, old = page("15", "phone", PHONE), page("14", "fax", text)
    unsure = answer(new, PHONE, 0.2, answered=False), answer(old, text, 0.3, answered=False)
    found = versioned(*unsure, [new, old], f"What is {name}?")
    assert (found.version, found.answered) == (version, version == "14")
