"""Markdown of answers and sources as safe HTML."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from rag.answer.answer import Answer, Citation
from rag.web.pages.markup import render_answer, render_draft, render_text
from tests.hostile import HOSTILE

ALLOWED = {"class", "tabindex", "href", "rel", "aria-label", "start"}


def citation(url: str = "https://example.org/a") -> Citation:
    return Citation(1, url, "A", "docs", "page", 0.9, "quote")


def answer(text: str, *sources: Citation) -> Answer:
    return Answer("q", True, text, sources or (citation(),), "model", "extractive")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_becomes_an_element(hostile: str) -> None:
    for html in (render_answer(answer(hostile)), render_draft(hostile), render_text(hostile, quote=hostile)):
        page = BeautifulSoup(html, "html.parser")
        assert not page.find_all(["script", "img", "svg", "iframe", "b", "a"])
        assert {name for tag in page.find_all(True) for name in tag.attrs} <= ALLOWED


def test_a_source_with_a_hostile_address_is_not_linked() -> None:
    html = render_answer(answer("[click](javascript:alert(1)) [1]", citation("javascript:alert(1)")))
    assert "javascript" not in BeautifulSoup(html, "html.parser").a["href"]


def test_markers_link_to_the_sources_of_their_own_answer() -> None:
    assert 'href="#source-1"' in render_answer(answer("True. [1]"))
    assert 'href="#a12-source-1"' in render_answer(answer("True. [1]"), prefix="a12-")
    assert "[7]" in render_answer(answer("No such source. [7]"))


def test_numbered_steps_keep_their_numbers() -> None:
    html = render_answer(answer("3. Three.\n4. Four."))
    assert '<ol start="3">' in html


def test_code_is_highlighted_word_for_word_and_takes_the_focus() -> None:
    code = "def f(x):\n\n    return x < 1  # why\n"
    page = BeautifulSoup(render_draft(f"```python\n{code}```"), "html.parser")
    assert page.pre["tabindex"] == "0"
    assert page.pre.get_text() == code
    assert page.select("pre .hl-k")


@pytest.mark.parametrize("language", ["", "no-such-language", "python extra words"])
def test_code_in_any_language_is_shown(language: str) -> None:
    page = BeautifulSoup(render_draft(f"```{language}\na < b\n```"), "html.parser")
    assert page.pre.get_text() == "a < b\n"


def test_a_quote_is_rendered_and_marked_in_its_place() -> None:
    assert render_text("Use **pg_dump**, with `-Fc`.") == "<p>Use <strong>pg_dump</strong>, with <code>-Fc</code>.</p>"
    assert "<mark>use it</mark>" in render_text("Before: use it. After.", quote="use it")


@pytest.mark.parametrize("quote", ["One.\n\nTwo.", "**bold", "- a\n- b", "`code"])
def test_a_mark_never_breaks_the_nesting(quote: str) -> None:
    text = "One.\n\nTwo. **bold** `code`\n\n- a\n- b\n"
    html = render_text(text, quote=quote)
    assert html.count("<mark>") == html.count("</mark>")
    assert "\ue000" not in html
    assert "\ue001" not in html
