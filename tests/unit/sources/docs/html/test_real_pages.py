"""Real pages of fourteen generators: the extraction keeps the code and the main text, and drops boilerplate."""

from __future__ import annotations

import re

import pytest

from rag.sources.docs.pages.page import Page, read_page
from rag.sources.docs.urls import Scope
from tests.fixtures.docs.expected import Expected, Score, pages, score

ALL = {f"{page.generator}/{page.name}": page for page in pages()}

#: generators that give few headings an id, and pages written by hand
FEW_ANCHORS = {"plain", "apache", "typedoc"}


def read(page: Expected) -> Page:
    url = "http://docs.example.org/guide/page.html"
    return read_page(page.html, url=url, charset="utf-8", robots="", link=Scope("http://docs.example.org/").link)


@pytest.mark.parametrize("name", ALL)
def test_a_page_keeps_its_code_and_words_and_little_boilerplate(name: str) -> None:
    kept = score(ALL[name], read(ALL[name]).text)
    assert kept.code_share >= 0.99
    assert kept.words_share >= 0.97
    # A page of a hundred words has a handful of labels, such as the languages of its code.
    assert kept.extra_words <= max(10, 0.02 * kept.words_extracted)


def test_all_pages_together_reach_the_documented_shares() -> None:
    assert len(ALL) >= 50
    assert len({page.generator for page in ALL.values()}) >= 14
    total = sum((score(page, read(page).text) for page in ALL.values()), Score())
    assert total.code_share >= 0.995
    assert total.words_share >= 0.995
    assert total.extra_words_share < 0.005


@pytest.mark.parametrize("name", ALL)
def test_every_anchor_exists_in_the_page_and_most_headings_have_anchors(name: str) -> None:
    page = read(ALL[name])
    source = ALL[name].html.decode()
    present = set(re.findall(r"""\b(?:id|name)=["']?([^"'\s>]+)""", source))
    anchors = re.findall(r" \{#([^{}\s]+)\}$", page.text, re.MULTILINE)
    headings = re.findall(
        r"^#{2,6} .*$", re.sub(r"^(`{3,}).*?^\1", "", page.text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    assert set(anchors) <= present
    if ALL[name].generator not in FEW_ANCHORS:
        assert sum(bool(re.search(r" \{#\S+\}$", heading)) for heading in headings) >= 0.8 * len(headings)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "mkdocs-material/install",
            [
                *("Linux", "macOS", "Windows", "brew install", ".\\setup.exe", "Back up first", "Why does it need"),
                *("| `timeout` | `30` |", "`cache_dir`", "The settings dialog with Trace", "turn on **Trace**"),
            ],
        ),
        (
            "docusaurus/install",
            [
                "Linux",
                "Windows",
                "```bash\nnpm install",
                "```powershell",
                "Back up first",
                "Why a compiler?",
                "{#the-settings}",
            ],
        ),
        ("docbook/sql-createtable", ["```\nCREATE TABLE films (", "`PARTITION BY"]),
        ("sphinx/python-asyncio-task", ["asyncio.create_task", "New in version 3.7", "Important"]),
        ("mdbook/ch04-01-what-is-ownership", ["```rust", "Each value in Rust has an"]),
    ],
)
def test_content_that_readers_need_is_kept(name: str, parts: list[str]) -> None:
    text = read(ALL[name]).text
    assert [part for part in parts if part not in text] == []
