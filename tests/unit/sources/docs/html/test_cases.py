"""Small pages, each with one construction that converters are known to lose, and what must and must not be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rag.sources.docs.page import read_page
from rag.sources.docs.urls import Scope

CASES = Path(__file__).parents[4] / "fixtures" / "docs" / "cases"


@dataclass
class Case:
    name: str
    html: str = ""
    wanted: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)


def cases() -> Iterator[Case]:
    for path in sorted(CASES.glob("*.txt")):
        for block in path.read_text(encoding="utf-8").split("=== ")[1:]:
            name, _, rest = block.partition("\n")
            case = Case(f"{path.stem}: {name}")
            for line in rest.splitlines(keepends=True):
                if line.startswith('+ "'):
                    case.wanted.append(value(line[2:]))
                elif line.startswith('- "'):
                    case.unwanted.append(value(line[2:]))
                else:
                    case.html += line
            yield case


def value(literal: str) -> str:
    r"""Return the text of a literal, in which \n is a newline and every other backslash is itself."""
    return ast.literal_eval(literal.strip().replace("\\", "\\\\").replace("\\\\n", "\\n"))


def page(html: str) -> str:
    """Return a page around the content of a case, unless the case is a page itself."""
    if html.startswith("<html"):
        return html
    head = "<html><head><title>T</title></head>"
    return f"{head}{html}</html>" if html.startswith("<body") else f"{head}<body><main>{html}</main></body></html>"


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_construction_is_read(case: Case) -> None:
    assert case.wanted or case.unwanted

    text = read_page(
        page(case.html).encode(),
        url="http://docs.example.org/guide/page.html",
        charset="utf-8",
        robots="",
        link=Scope("http://docs.example.org/").link,
    ).text

    assert [part for part in case.wanted if part not in text] == [], text
    assert [part for part in case.unwanted if part in text] == [], text
