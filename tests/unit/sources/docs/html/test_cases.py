"""Small pages, each with one construction that converters are known to lose, and what must and must not be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.sources.docs.pages.page import read_page
from rag.sources.docs.urls import Scope
from tests.cases import Case, cases

CASES = Path(__file__).parents[4] / "fixtures" / "docs" / "cases"


def page(html: str) -> str:
    """Return a page around the content of a case, unless the case is a page itself."""
    if html.startswith(("<html", "<?xml")):
        return html
    head = "<html><head><title>T</title></head>"
    return f"{head}{html}</html>" if html.startswith("<body") else f"{head}<body><main>{html}</main></body></html>"


@pytest.mark.parametrize(
    "case", [case for path in sorted(CASES.glob("*.txt")) for case in cases(path)], ids=lambda case: case.name
)
def test_a_construction_is_read(case: Case) -> None:
    text = read_page(
        page(case.text).encode(),
        url="http://docs.example.org/guide/page.html",
        charset="utf-8",
        robots="",
        link=Scope("http://docs.example.org/").link,
    ).text

    assert case.faults(text) == [], text
