"""Feedback on an answer, over HTTP."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest
from bs4 import BeautifulSoup

from rag.engine import Engine
from rag.sources import Removed
from tests.servers.memory_source import MemorySource

QUESTION = "How do I write one database to a file?"


@pytest.fixture
def answer(address: str) -> str:
    """The address of the answer to the question."""
    page = BeautifulSoup(httpx.get(address, params={"q": QUESTION}).text, "lxml")
    return address + str(page.select_one("form.feedback")["action"])


def logged(engine: Engine, answer: str) -> tuple[str | None, str | None]:
    found = engine.answer_log.find(UUID(answer.rsplit("/", 1)[-1]))
    assert found
    return found.thumb, found.better_page


def test_feedback_redirects_to_the_logged_answer(answer: str, empty_engine: Engine) -> None:
    response = httpx.post(answer, data={"thumb": "up", "better_page": ""}, follow_redirects=True)

    page = BeautifulSoup(response.text, "lxml")
    assert response.status_code == 200
    assert str(response.url) == answer
    assert "pg_dump mydb > mydb.sql" in page.select_one("article pre").get_text()
    assert page.select_one("[role=status]").get_text() == "Thank you for your feedback."
    assert page.select_one("button[value=up]")["aria-pressed"] == "true"
    assert logged(empty_engine, answer) == ("up", None)
    assert empty_engine.store.answers.counts().logged == 1  # showing the answer again asks no question


def test_naming_a_better_page_is_a_thumb_down(answer: str, empty_engine: Engine) -> None:
    httpx.post(answer, data={"thumb": "up", "better_page": "https://example.org/other"})
    assert logged(empty_engine, answer) == ("down", "https://example.org/other")


def test_a_hostile_better_page_is_text(answer: str) -> None:
    hostile = "https://example.org/?\"><script>alert(1)</script><b onclick='alert(1)'>"
    httpx.post(answer, data={"thumb": "down", "better_page": hostile})
    page = BeautifulSoup(httpx.get(answer).text, "lxml")
    assert page.select_one("input[name=better_page]")["value"] in ("", hostile)
    assert not page.select("main script, main [onclick]")


@pytest.mark.parametrize("page", ["javascript:alert(1)", "no address", "https://"])
def test_an_invalid_better_page_is_not_stored(answer: str, empty_engine: Engine, page: str) -> None:
    httpx.post(answer, data={"thumb": "down", "better_page": page})
    assert logged(empty_engine, answer) == ("down", None)


@pytest.mark.parametrize(
    ("change", "headers", "status"),
    [
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({"thumb": "sideways"}, {}, 400),
        ({"better_page": "x" * 10_000}, {}, 400),
    ],
)
def test_a_malformed_or_cross_site_form_is_refused(
    answer: str, empty_engine: Engine, change: dict[str, str], headers: dict[str, str], status: int
) -> None:
    response = httpx.post(answer, data={"thumb": "down", **change}, headers=headers)
    assert response.status_code == status
    assert logged(empty_engine, answer) == (None, None)


@pytest.mark.parametrize("path", ["/answers/2588e8a1-18b3-4bf6-9253-29cad936559e", "/answers/1"])
def test_feedback_on_an_unknown_answer_is_not_found(address: str, path: str) -> None:
    assert httpx.get(address + path).status_code == 404


def test_an_answer_whose_sources_changed_is_marked_stale(answer: str, empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource([Removed("docs:https://example.org/backup")]))
    page = BeautifulSoup(httpx.get(answer).text, "lxml")
    again = page.select_one("p.stale a")
    assert again["href"] == "/?q=How%20do%20I%20write%20one%20database%20to%20a%20file%3F"


def test_without_a_log_the_page_has_no_feedback_form(address: str, empty_engine: Engine) -> None:
    empty_engine.answer_log.is_enabled = False
    page = BeautifulSoup(httpx.get(address, params={"q": QUESTION}).text, "lxml")
    assert page.select_one("article.answer")
    assert page.select_one("form.feedback") is None
