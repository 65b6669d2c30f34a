from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bs4 import BeautifulSoup

from flows.demo.site import HandbookSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[HandbookSite]:
    (tmp_path / "ask.md").write_text(
        "# Ask & answer\n\nSee [install](install.md#on-debian), [us](https://example.org/a.md).\n\n"
        "## Scores\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## Scores\n\nAgain.\n"
    )
    (tmp_path / "install.md").write_text("# Install\n\n## On Debian\n\n```sh\nmake demo\n```\n")
    with HandbookSite(tmp_path) as site:
        yield site


def page(site: HandbookSite, name: str) -> BeautifulSoup:
    return BeautifulSoup(httpx.get(site.url.replace("index", name)).raise_for_status().text, "lxml")


def test_the_first_page_leads_to_all_others(site: HandbookSite) -> None:
    links = [link["href"] for link in page(site, "index").main.find_all("a")]

    assert links == ["ask.html", "install.html"]
    assert all(httpx.get(site.url.replace("index.html", link)).status_code == 200 for link in links)


def test_headings_have_anchors(site: HandbookSite) -> None:
    assert [heading["id"] for heading in page(site, "ask").find_all(["h1", "h2"])] == [
        "ask-answer",
        "scores",
        "scores-1",
    ]
    assert page(site, "install").find(id="on-debian").text == "On Debian"


def test_links_between_files_become_links_between_pages_and_others_are_unchanged(site: HandbookSite) -> None:
    links = [link["href"] for link in page(site, "ask").main.find_all("a")]

    assert links == ["install.html#on-debian", "https://example.org/a.md"]


def test_a_page_has_navigation_content_and_footer(site: HandbookSite) -> None:
    ask = page(site, "ask")

    assert ask.title.text == "Ask & answer · Handbook"
    assert [link.text for link in ask.nav.find_all("a")] == ["Ask & answer", "Install"]
    assert ask.main.table.td.text == "1"
    assert ask.footer.text.startswith("The handbook")


def test_an_unchanged_page_is_not_sent_again(site: HandbookSite) -> None:
    first = httpx.get(site.url)

    again = httpx.get(site.url, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_an_unknown_page_is_not_found(site: HandbookSite) -> None:
    assert httpx.get(site.url.replace("index", "nowhere")).status_code == 404
