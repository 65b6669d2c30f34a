"""Pages from a sitemap instead of links."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from rag.errors import SourceError, SourceUnavailable
from tests.integration.sources.docs.conftest import FAST, Crawl
from tests.servers.docs_site import DocsSite, html

XML = {"content_type": "application/xml"}


def urlset(*urls: str) -> str:
    places = "".join(f"<url><loc> {url} </loc><lastmod>2024-05-01</lastmod></url>" for url in urls)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'


def index(*urls: str) -> str:
    places = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</sitemapindex>'


@pytest.fixture
def pages(site: DocsSite) -> DocsSite:
    for name in ("index", "a", "b", "unlisted"):
        site.put(f"/docs/{name}.html", html(name, links=["unlisted.html"]))
    site.put("/blog.html", html("Blog"))
    return site


def test_only_listed_pages_are_read(pages: DocsSite, crawl: Crawl) -> None:
    listed = [pages.url(path) for path in ("/docs/a.html", "/docs/b.html#x", "/docs/b.html", "/blog.html")]
    pages.put("/sitemap.xml", urlset(*listed), **XML)

    outcome = crawl(sitemap=pages.url("/sitemap.xml"))

    assert set(outcome.changed) == {"/docs/a.html", "/docs/b.html"}


def test_sitemap_indexes_and_gzip_are_read(pages: DocsSite, crawl: Crawl) -> None:
    pages.put("/sitemap.xml", index(pages.url("/one.xml.gz"), pages.url("/two.xml"), pages.url("/sitemap.xml")), **XML)
    pages.put("/one.xml.gz", gzip.compress(urlset(pages.url("/docs/a.html")).encode()), content_type="application/gzip")
    pages.put("/two.xml", urlset(pages.url("/docs/b.html")), **XML)

    outcome = crawl(sitemap=pages.url("/sitemap.xml"))

    assert set(outcome.changed) == {"/docs/a.html", "/docs/b.html"}


def test_a_sitemap_index_does_not_lead_to_another_host(pages: DocsSite, crawl: Crawl) -> None:
    pages.put("/sitemap.xml", index("http://169.254.169.254/latest", pages.url("/two.xml")), **XML)
    pages.put("/two.xml", urlset(pages.url("/docs/b.html")), **XML)

    outcome = crawl(sitemap=pages.url("/sitemap.xml"))

    assert set(outcome.changed) == {"/docs/b.html"}
    assert not outcome.failed


@pytest.mark.parametrize("path", ["/urls.txt", "/llms.txt"])
def test_plain_lists_and_llms_txt_are_read(pages: DocsSite, crawl: Crawl, path: str) -> None:
    a, b = pages.url("/docs/a.html"), pages.url("/docs/b.html")
    text = (
        f"{a}\n{b}\n"
        if path == "/urls.txt"
        else f"# Widget\n\n> Docs\n\n## Guides\n\n- [A]({a}): the first\n- [B]({b})\n"
    )
    pages.put(path, text, content_type="text/plain")

    assert set(crawl(sitemap=pages.url(path)).changed) == {"/docs/a.html", "/docs/b.html"}


def test_a_page_that_is_no_longer_in_the_sitemap_is_removed(pages: DocsSite, crawl: Crawl) -> None:
    pages.put("/sitemap.xml", urlset(pages.url("/docs/a.html"), pages.url("/docs/b.html")), **XML)
    crawl(sitemap=pages.url("/sitemap.xml"))
    pages.put("/sitemap.xml", urlset(pages.url("/docs/a.html")), **XML)

    outcome = crawl(sitemap=pages.url("/sitemap.xml"))

    assert outcome.removed == ["/docs/b.html"]
    assert outcome.unchanged == ["/docs/a.html"]


def test_an_invalid_part_of_a_sitemap_is_reported_and_removes_nothing(pages: DocsSite, crawl: Crawl) -> None:
    pages.put("/sitemap.xml", index(pages.url("/one.xml"), pages.url("/two.xml")), **XML)
    pages.put("/one.xml", urlset(pages.url("/docs/a.html")), **XML)
    pages.put("/two.xml", urlset(pages.url("/docs/b.html")), **XML)
    crawl(sitemap=pages.url("/sitemap.xml"))
    pages.put("/two.xml", "<urlset><url><loc>http://", **XML)

    outcome = crawl(sitemap=pages.url("/sitemap.xml"))

    assert outcome.failed["/two.xml"].startswith("it is not valid XML")
    assert outcome.removed == []
    assert outcome.unchanged == ["/docs/a.html"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<urlset><url>", "it is not valid XML"),
        ("", "it is not valid XML"),
        ("<a\ufffd:\ufffd", "it is not valid XML"),  # libxml2 recovers an element whose name lxml refuses
        ("<html><body>Not found</body></html>", "it is not a sitemap: its root element is <html>"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
            "none of which",
        ),
        (urlset("https://elsewhere.example/x"), "lists 1 pages, none of which may be crawled under the folder"),
    ],
)
def test_an_invalid_sitemap_is_a_one_line_error(pages: DocsSite, crawl: Crawl, body: str, message: str) -> None:
    pages.put("/sitemap.xml", body, **XML)

    with pytest.raises(SourceError, match=message) as caught:
        crawl(sitemap=pages.url("/sitemap.xml"))

    assert "\n" not in str(caught.value)


def test_a_failing_sitemap_is_unavailable(pages: DocsSite, crawl: Crawl) -> None:
    pages.fail("/sitemap.xml", 503, times=FAST.attempts)

    with pytest.raises(SourceUnavailable, match=r"sitemap\.xml cannot be read: the server answers 503"):
        crawl(sitemap=pages.url("/sitemap.xml"))


@pytest.mark.parametrize(("lastmod", "asked"), [("2024-05-01", 0), ("2024-05-01T10:00:00+00:00", 0), ("yesterday", 1)])
def test_a_page_with_an_unchanged_lastmod_is_not_requested(
    site: DocsSite, crawl: Crawl, lastmod: str, asked: int
) -> None:
    def listed(date: str) -> str:
        entry = f"<url><loc>{site.url('/docs/a.html')}</loc><lastmod>{date}</lastmod></url>"
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entry}</urlset>'

    site.put("/docs/a.html", html("A"))
    site.put("/sitemap.xml", listed(lastmod), content_type="application/xml")
    crawl(sitemap=site.url("/sitemap.xml"))
    site.forget_requests()

    unchanged = crawl(sitemap=site.url("/sitemap.xml"))
    assert (unchanged.unchanged, len(site.requests_for("/docs/a.html"))) == (["/docs/a.html"], asked)

    site.put("/docs/a.html", html("A", "Another text."))
    site.put("/sitemap.xml", listed("2024-06-01"), content_type="application/xml")
    assert set(crawl(sitemap=site.url("/sitemap.xml")).changed) == {"/docs/a.html"}


def test_a_lastmod_of_today_is_not_trusted(site: DocsSite, crawl: Crawl) -> None:
    today = datetime.now(UTC).date().isoformat()
    entry = f"<url><loc>{site.url('/docs/a.html')}</loc><lastmod>{today}</lastmod></url>"
    site.put("/sitemap.xml", f"<urlset>{entry}</urlset>", content_type="application/xml")
    site.put("/docs/a.html", html("A"))
    crawl(sitemap=site.url("/sitemap.xml"))
    site.put("/docs/a.html", html("A", "Another text."))
    assert set(crawl(sitemap=site.url("/sitemap.xml")).changed) == {"/docs/a.html"}
