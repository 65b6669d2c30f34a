"""Pages are read in other processes: with their limits, without the secrets of this one."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from rag.sources.docs.fetching.fetch import Fetched
from rag.sources.docs.pages.page import NotHtmlError, Page
from rag.sources.docs.pages.reading import ReadingError, _Reader, read_markdown_within, read_page_within
from rag.sources.docs.urls import Scope

SCOPE = Scope("http://docs.example.org/guide/")


def read(
    body: str | bytes, *, name: str = "a.html", content_type: str = "text/html", seconds: float = 5.0
) -> Page | None:
    raw = body.encode() if isinstance(body, str) else body
    headers = httpx.Headers({"content-type": content_type})
    return read_page_within(Fetched(f"http://docs.example.org/guide/{name}", 200, headers, raw), SCOPE, seconds=seconds)


def test_a_page_arrives_as_it_was_read() -> None:
    page = read("<title>T</title><main><h1 id=x>Ünï</h1><p>\ud83d is half, <a href=b>b</a>".encode("utf-8", "replace"))

    assert page is not None
    assert (page.title, page.links, page.fragments) == ("Ünï", ("http://docs.example.org/guide/b",), frozenset({"x"}))
    assert page.text.startswith("# Ünï {#x}")


@pytest.mark.parametrize(
    "body",
    [
        "<p " + " ".join(f"a{number}=1" for number in range(100_000)) + ">",
        "<p>" + "<a " + "b " * 3 + " ".join(f"data-{number}" for number in range(80_000)) + ">",
    ],
    ids=["attributes", "names"],
)
def test_a_page_that_keeps_the_parser_busy_is_given_up(body: str) -> None:
    """It takes the tenth of a second of processor time that it may take, and the start of another process."""
    with pytest.raises(ReadingError, match=r"^reading it took more than 0\.1 s$"):
        read(body, seconds=0.1)

    assert read("<p>The next page is read.") is not None


def test_what_is_no_page_is_none_and_what_is_binary_is_an_error() -> None:
    assert read("{}", name="data.json", content_type="application/json") is None
    assert read("<rss/>", name="feed.xml", content_type="application/xml") is None
    with pytest.raises(NotHtmlError, match="binary"):
        read(bytes(range(256)) * 20)


def test_markdown_is_read_too() -> None:
    assert read_markdown_within("# T\n\n<b>x</b>", seconds=5.0).startswith("# T")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not show environments")
def test_a_reading_process_has_none_of_the_secrets_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "canary")
    reader = _Reader()
    try:
        assert b"canary" not in Path(f"/proc/{reader._process.pid}/environ").read_bytes()
    finally:
        reader.close()


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ipynb+json", "text/plain"])
def test_a_notebook_is_a_page(content_type: str) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Plots\n", "See [the API](api.html)."]},
        {"cell_type": "code", "source": "plot(1)", "outputs": [{"output_type": "stream", "text": "drawn"}]},
    ]

    page = read(json.dumps({"cells": cells, "nbformat": 4}), name="a.ipynb", content_type=content_type)

    assert page is not None
    assert page.title == "Plots"
    assert page.links == ("http://docs.example.org/guide/api.html",)
    assert "```python\nplot(1)\n```" in page.text
    assert "drawn" in page.text


def test_a_file_named_like_a_notebook_is_an_error() -> None:
    with pytest.raises(NotHtmlError, match=r"^the file is not a Jupyter notebook: it has no cells$"):
        read('{"a": 1}', name="a.ipynb", content_type="application/json")


def test_a_page_with_a_control_character_in_deleted_text_is_read() -> None:
    from rag.sources.docs.pages.page import read_page

    body = b"<main><h1>Start</h1><p>It works well, <s>\x1fnot</s> always.</p>" + b"<p>More text.</p>" * 40 + b"</main>"
    page = read_page(body, url="http://a.org/", charset="utf-8", robots="", link=lambda href, base: href)
    assert "always" in str(page)
