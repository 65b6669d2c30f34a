"""Pages that a site also publishes as Markdown are read as Markdown, with the anchors and links of the HTML."""

from __future__ import annotations

import pytest

from tests.integration.sources.docs.conftest import Crawl
from tests.servers.docs_site import DocsSite

PAGE = (
    "<!doctype html><html><head><title>{title}</title>{head}</head><body><nav><a href='b.html'>B</a></nav><main>"
    "<h1 id='top'>{title}</h1><p>Install the server first.</p><h2 id='use-it'>Use it</h2>"
    "<div class='tab'>Run the client with a token.</div></main></body></html>"
)
MARKDOWN = (
    "---\ntitle: {title}\n---\n# {title}\n\nInstall the server first.\n\n## Use it\n\n"
    "```sh\nRun the client with a token.\n```\n"
)
READ = "# {title} {{#top}}\n\nInstall the server first.\n\n## Use it {{#use-it}}\n\n```sh\nRun the client with a token.\n```"


@pytest.fixture(params=["link", "accept", "suffix"])
def way(request: pytest.FixtureRequest, site: DocsSite) -> str:
    """Two pages, with one of the ways to find their Markdown."""
    for name, title in (("index", "Start"), ("b", "Second")):
        head = f'<link rel="alternate" type="text/markdown" href="/raw/{name}">' if request.param == "link" else ""
        site.put(f"/docs/{name}.html", PAGE.format(title=title, head=head))
        markdown = MARKDOWN.format(title=title)
        if request.param == "link":
            site.put(f"/raw/{name}", markdown, content_type="text/markdown; charset=utf-8")
        if request.param == "suffix":
            site.put(f"/docs/{name}.md", markdown, content_type="text/plain")
        if request.param == "accept":
            site.negotiate(f"/docs/{name}.html", markdown)
    return str(request.param)


def test_the_markdown_is_read_with_the_page_s_anchors(way: str, crawl: Crawl) -> None:
    outcome = crawl()
    assert outcome.text("/docs/index.html") == READ.format(title="Start")
    assert outcome.text("/docs/b.html") == READ.format(title="Second")
    assert outcome.changed["/docs/b.html"].document.metadata["title"] == "Second"


def test_a_second_crawl_does_not_request_markdown_again(way: str, site: DocsSite, crawl: Crawl) -> None:
    crawl()
    site.forget_requests()
    outcome = crawl()
    assert (outcome.changed, len(site.requests)) == ({}, 3)


def test_a_site_without_markdown_gets_three_extra_requests(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", PAGE.format(title="Start", head=""))
    site.put("/docs/b.html", PAGE.format(title="Second", head=""))
    crawl()
    assert len(site.requests) == 1 + 2 + 3


@pytest.mark.parametrize(
    "markdown",
    [
        "# Something else\n\nThis file is of another page altogether, with other words in it.",
        "<!doctype html><title>Start</title><h1>Start</h1><p>Install the server first. Use it. Run the client.",
        "",
        MARKDOWN.format(title="Start") + "More and more words that are not on the page. " * 40,
    ],
)
def test_markdown_of_another_page_is_ignored(site: DocsSite, crawl: Crawl, markdown: str) -> None:
    site.put("/docs/index.html", PAGE.format(title="Start", head=""))
    site.put("/docs/index.md", markdown, content_type="text/markdown")
    assert "```" not in crawl().text("/docs/index.html")


def test_markdown_on_another_host_is_not_requested(site: DocsSite, crawl: Crawl) -> None:
    head = '<link rel="alternate" type="text/markdown" href="http://127.0.0.1:9/index.md">'
    site.put("/docs/index.html", PAGE.format(title="Start", head=head))
    outcome = crawl()
    assert (len(outcome.changed), outcome.failed) == (1, {})


def test_links_in_a_markdown_page_are_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put(
        "/docs/index.html", "# Start\n\nSee [the guide](guide.md) and `[no](code.md)`.", content_type="text/markdown"
    )
    site.put("/docs/guide.md", "# Guide\n\n## Install\n\nRead on.", content_type="text/markdown")
    outcome = crawl()
    assert set(outcome.changed) == {"/docs/index.html", "/docs/guide.md"}
    assert outcome.text("/docs/guide.md") == "# Guide\n\n## Install\n\nRead on."
    assert not site.requests_for("/docs/code.md")
