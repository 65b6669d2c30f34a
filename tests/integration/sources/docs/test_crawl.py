"""A crawl finds the pages of a site, and yields one document per page whatever links lead to it."""

from __future__ import annotations

import time

import pytest

from rag.errors import SourceError, SourceUnavailable
from rag.settings import DocsConfig
from rag.sources.docs import DocsSource, Limits
from rag.store.store import Store
from tests.integration.sources.docs.conftest import FAST, Crawl
from tests.servers.docs_site import DocsSite, Reply, html


def test_links_under_the_start_folder_are_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put(
        "/docs/index.html",
        html("Start", links=["a.html", "deep/b.html", "/blog/post.html", "https://example.org/docs/"]),
    )
    site.put("/docs/a.html", html("A", links=["index.html"]))
    site.put("/docs/deep/b.html", html("B", links=["../a.html"]))
    site.put("/blog/post.html", html("Post"))

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html", "/docs/a.html", "/docs/deep/b.html"}
    assert not site.requests_for("/blog/post.html")
    document = outcome.changed["/docs/a.html"].document
    assert document.id_ == f"site:{site.url('/docs/a.html')}"
    assert document.metadata == {"url": site.url("/docs/a.html"), "title": "A", "source": "site", "kind": "page"}
    assert outcome.requests == len(site.requests)
    assert sorted(site.requested_pages()) == ["/docs/a.html", "/docs/deep/b.html", "/docs/index.html"]


def test_the_user_agent_names_only_the_project(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start"))

    crawl()

    assert {request.headers["user-agent"].partition("/")[0] for request in site.requests} == {"support-engine"}


@pytest.mark.parametrize(
    "link",
    [
        "a.html#part",
        "./a.html",
        "../docs/a.html",
        "a.html?utm_source=mail",
        "/docs//a.html",
        "%61.html",
        "a.html;jsessionid=77",
    ],
)
def test_different_links_to_a_page_give_one_document(site: DocsSite, crawl: Crawl, link: str) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html", link]))
    site.put("/docs/a.html", html("A"))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/a.html"}


def test_parameters_in_another_order_address_the_same_page(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a?x=1&y=2", "a?y=2&x=1"]))
    site.put("/docs/a?x=1&y=2", html("A"))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/a?x=1&y=2"}


def test_links_are_relative_to_the_base_element(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html"], head='<base href="/docs/deep/">'))
    site.put("/docs/deep/a.html", html("A"))

    assert "/docs/deep/a.html" in crawl().changed


def test_a_redirect_within_the_folder_gives_one_document(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["old.html", "older.html", "new.html"]))
    site.redirect("/docs/old.html", "new.html")
    site.redirect("/docs/older.html", "old.html", status=302)
    site.put("/docs/new.html", html("New"))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/new.html"}


def test_a_redirect_out_of_the_folder_is_not_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html"]))
    site.redirect("/docs/a.html", "/secret.html")
    site.put("/secret.html", html("Secret"))

    assert set(crawl().changed) == {"/docs/index.html"}
    assert not site.requests_for("/secret.html")


def test_a_redirect_loop_is_reported_and_other_pages_are_read(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html", "c.html"]))
    site.redirect("/docs/a.html", "b.html")
    site.redirect("/docs/b.html", "a.html")
    site.put("/docs/c.html", html("C"))

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html", "/docs/c.html"}
    assert list(outcome.failed.values()) == ["it redirects in a circle"]


def test_an_endless_chain_of_redirects_is_bounded(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["r/0", "a.html"]))
    for n in range(100):
        site.redirect(f"/docs/r/{n}", f"/docs/r/{n + 1}", status=302)
    site.put("/docs/a.html", html("A"))

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html", "/docs/a.html"}
    assert list(outcome.failed.values()) == ["it redirects more than 10 times"]


def test_a_meta_refresh_is_a_redirect(site: DocsSite, crawl: Crawl) -> None:
    refresh = '<meta http-equiv="refresh" content="0; url=guide/">'
    site.put("/docs/index.html", html("Redirecting", head=refresh))
    site.put("/docs/guide/", html("Guide"))

    assert set(crawl().changed) == {"/docs/guide/"}


def test_a_copy_is_indexed_under_its_canonical_address(site: DocsSite, crawl: Crawl) -> None:
    canonical = '<link rel="canonical" href="/docs/a.html">'
    site.put("/docs/index.html", html("Start", links=["print/a.html", "a.html"]))
    site.put("/docs/print/a.html", html("A", "Stop the server before a backup.<p>For the printer.", head=canonical))
    site.put("/docs/a.html", html("A", "Stop the server before a backup.", head=canonical))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/a.html"}


@pytest.mark.parametrize("canonical", ["/elsewhere/a.html", "https://example.org/docs/a.html", "missing.html"])
def test_a_page_with_an_unreachable_canonical_address_is_kept(site: DocsSite, crawl: Crawl, canonical: str) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html"]))
    site.put("/docs/a.html", html("A", head=f'<link rel="canonical" href="{canonical}">'))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/a.html"}


def test_pages_that_name_each_other_as_canonical_are_kept(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html", "b.html"]))
    site.put("/docs/a.html", html("Same", head='<link rel="canonical" href="b.html">'))
    site.put("/docs/b.html", html("Same", head='<link rel="canonical" href="a.html">'))

    changed = crawl().changed

    assert len(changed) == 2
    assert "/docs/a.html" in changed or "/docs/b.html" in changed


def test_a_folder_and_its_index_are_one_document(site: DocsSite, crawl: Crawl) -> None:
    start = html("Start", links=["./", "guide/", "guide/index.html"])
    site.put("/docs/index.html", start)
    site.put("/docs/", start)
    site.put("/docs/guide/", html("Guide"))
    site.put("/docs/guide/index.html", html("Guide"))

    changed = crawl().changed

    assert len(changed) == 2
    assert "/docs/index.html" in changed


def test_noindex_pages_are_left_out_but_their_links_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["tags.html", "drafts.html"]))
    site.put("/docs/tags.html", html("Tags", links=["a.html"], head='<meta name="robots" content="noindex, follow">'))
    site.put("/docs/drafts.html", html("Drafts", links=["b.html"]), headers={"X-Robots-Tag": "none"})
    site.put("/docs/a.html", html("A"))
    site.put("/docs/b.html", html("B"))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/a.html"}


def test_nofollow_links_are_not_followed(site: DocsSite, crawl: Crawl) -> None:
    page = html("Start").replace("<nav>", '<nav><a rel="nofollow" href="calendar.html">May</a>')
    site.put("/docs/index.html", page)
    site.put("/docs/calendar.html", html("May"))

    assert set(crawl().changed) == {"/docs/index.html"}


def test_robots_txt_is_honoured(site: DocsSite, crawl: Crawl) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /docs/private/\n", content_type="text/plain")
    site.put("/docs/index.html", html("Start", links=["private/a.html", "b.html"]))
    site.put("/docs/private/a.html", html("A"))
    site.put("/docs/b.html", html("B"))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/b.html"}
    assert not site.requests_for("/docs/private/a.html")


def test_crawl_delay_of_robots_txt_is_kept(site: DocsSite, crawl: Crawl) -> None:
    site.put("/robots.txt", "User-agent: support-engine\nCrawl-delay: 0.1\n", content_type="text/plain")
    site.put("/docs/index.html", html("Start", links=["a.html", "b.html", "c.html"]))
    for name in "abc":
        site.put(f"/docs/{name}.html", html(name))
    started = time.monotonic()

    crawl()

    assert time.monotonic() - started >= 0.3


def test_a_start_page_that_robots_txt_forbids_is_an_error(site: DocsSite, crawl: Crawl) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /\n", content_type="text/plain")
    site.put("/docs/index.html", html("Start"))

    with pytest.raises(SourceError, match=r"robots\.txt of 127\.0\.0\.1 does not allow crawling http.*index\.html"):
        crawl()


def test_a_failing_robots_txt_forbids_the_crawl_for_now(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start"))
    site.fail("/robots.txt", 500, times=10)

    with pytest.raises(SourceUnavailable, match=r"robots\.txt cannot be read"):
        crawl()


def test_globs_choose_pages(site: DocsSite, crawl: Crawl) -> None:
    site.put(
        "/docs/index.html", html("Start", links=["bookindex.html", "api/a.html", "api/old/b.html", "guide/c.html"])
    )
    for path in ("bookindex.html", "api/a.html", "api/old/b.html", "guide/c.html"):
        site.put(f"/docs/{path}", html(path))

    outcome = crawl(include=("index.html", "api/**"), exclude=("*/bookindex.html", "**/old/**"))

    assert set(outcome.changed) == {"/docs/index.html", "/docs/api/a.html"}
    assert not site.requests_for("/docs/guide/c.html")


def test_links_of_an_excluded_start_page_are_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["guide/a.html"]))
    site.put("/docs/guide/a.html", html("A"))

    assert set(crawl(include=("guide/**",)).changed) == {"/docs/guide/a.html"}


def test_no_more_than_max_pages_are_fetched(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{n}.html" for n in range(20)]))
    for n in range(20):
        site.put(f"/docs/{n}.html", html(str(n)))

    assert len(crawl(max_pages=5).changed) == 5


def test_other_content_types_are_neither_documents_nor_failures(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["manual.pdf", "download", "logo.svg"]))
    site.put("/docs/manual.pdf", b"%PDF", content_type="application/pdf")
    site.put("/docs/download", b"PK\x03\x04", content_type="application/zip")

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html"}
    assert not outcome.failed
    assert not site.requests_for("/docs/manual.pdf")


def test_endless_parameters_are_bounded(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["calendar?month=0", "a.html"]))
    for month in range(200):
        site.put(f"/docs/calendar?month={month}", html(f"Month {month}", links=[f"calendar?month={month + 1}"]))
    site.put("/docs/a.html", html("A"))

    changed = crawl().changed

    assert "/docs/a.html" in changed
    assert len(changed) < 60


def test_a_link_that_resolves_against_itself_is_bounded(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["guide/"]))
    for depth in range(1, 60):
        site.put(f"/docs/{'guide/' * depth}", html(f"Depth {depth}", links=["guide/"]))

    assert len(crawl().changed) < 10


def test_index_and_search_pages_are_not_documents(site: DocsSite, crawl: Crawl) -> None:
    head = '<link rel="index" href="genindex.html"><link rel="search" href="search.html">'
    site.put("/docs/index.html", html("Start", links=["genindex.html", "search.html", "a.html"], head=head))
    for name in ("genindex", "search", "a"):
        site.put(f"/docs/{name}.html", html(name, head=head))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/a.html"}


def test_markdown_pages_are_kept_unchanged(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.md"]))
    site.put("/docs/a.md", "---\ntitle: x\n---\n# Title\n\nText.", content_type="text/markdown")

    outcome = crawl()

    assert outcome.text("/docs/a.md") == "# Title\n\nText."
    assert outcome.changed["/docs/a.md"].document.metadata["title"] == "Title"


# The start page


def test_a_redirect_of_the_start_page_to_a_slash_moves_the_folder(site: DocsSite, crawl: Crawl) -> None:
    site.redirect("/docs", "/docs/")
    site.put("/docs/", html("Start", links=["a.html", "/blog.html"]))
    site.put("/docs/a.html", html("A"))
    site.put("/blog.html", html("Blog"))

    assert set(crawl(start="/docs").changed) == {"/docs/", "/docs/a.html"}


def test_a_start_page_that_redirects_within_its_folder_is_followed(site: DocsSite, crawl: Crawl) -> None:
    site.redirect("/", "/en/latest/", status=302)
    site.put("/en/latest/", html("Start", links=["a.html"]))
    site.put("/en/latest/a.html", html("A"))

    assert set(crawl(start="/").changed) == {"/en/latest/", "/en/latest/a.html"}


def test_a_start_page_that_redirects_elsewhere_is_an_error_with_the_target(site: DocsSite, crawl: Crawl) -> None:
    site.redirect("/docs/index.html", "/manual/")

    with pytest.raises(SourceError, match=r"redirects to http.*/manual/, which is outside its folder"):
        crawl()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=401), "asks for a login"),
        (Reply(status=403), "is refused"),
        (Reply(status=404), "does not exist"),
        (Reply(b"%PDF-1.7", content_type="application/pdf"), "is application/pdf, not an HTML page"),
        (Reply(b"\x00\x01\x02\x03" * 100), "the body is binary"),
    ],
)
def test_an_unusable_start_page_is_a_one_line_error(site: DocsSite, crawl: Crawl, reply: Reply, message: str) -> None:
    site.replies["/docs/index.html"] = reply

    with pytest.raises(SourceError, match=message) as caught:
        crawl()

    assert not isinstance(caught.value, SourceUnavailable)
    assert site.url("/docs/index.html") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_start_page_that_keeps_failing_is_unavailable(site: DocsSite, crawl: Crawl) -> None:
    site.fail("/docs/index.html", 503, times=10)

    with pytest.raises(SourceUnavailable, match="503 Service Unavailable"):
        crawl()

    assert len(site.requests_for("/docs/index.html")) == FAST.attempts


def test_a_closed_port_is_unavailable(store: Store) -> None:
    source = DocsSource(DocsConfig(name="site", url="http://127.0.0.1:1/docs/"), store, limits=FAST)

    with pytest.raises(SourceUnavailable, match=r"http://127\.0\.0\.1:1/docs/ cannot be reached"):
        list(source.changes(full=False))


def test_the_error_names_a_host_that_does_not_exist(store: Store) -> None:
    source = DocsSource(DocsConfig(name="site", url="http://docs.invalid/"), store, limits=FAST)

    with pytest.raises(SourceError, match=r"docs\.invalid"):
        list(source.changes(full=False))


# Backpressure


def test_pages_are_fetched_no_faster_than_they_are_consumed(site: DocsSite, store: Store) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{n}.html" for n in range(200)]))
    for n in range(200):
        site.put(f"/docs/{n}.html", html(str(n)))
    source = DocsSource(
        DocsConfig(name="site", url=site.url("/docs/index.html")), store, limits=Limits(concurrency=2, backoff=0.01)
    )
    changes = source.changes(full=False)

    for _ in range(3):
        next(changes)
    changes.close()  # type: ignore[attr-defined]

    # The first 64 pages are held back to see what they share.
    assert len(site.requests) < 64 + 15
