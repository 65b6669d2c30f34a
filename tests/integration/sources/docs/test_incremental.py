"""A second crawl downloads only changed pages and removes only deleted pages."""

from __future__ import annotations

import time

import pytest

from rag.errors import SourceUnavailable
from rag.store.store import Store
from tests.integration.sources.docs.conftest import FAST, Crawl
from tests.servers.docs_site import DocsSite, Reply, html, now


@pytest.fixture
def small_site(site: DocsSite) -> DocsSite:
    """Start → a → b: only the previous page links to a page."""
    site.put("/docs/index.html", html("Start", links=["a.html"]))
    site.put("/docs/a.html", html("A", links=["b.html"]))
    site.put("/docs/b.html", html("B"))
    return site


def test_unchanged_pages_are_not_downloaded_again_and_their_links_are_remembered(
    small_site: DocsSite, crawl: Crawl
) -> None:
    crawl()
    small_site.forget_requests()

    outcome = crawl()

    assert set(outcome.unchanged) == {"/docs/index.html", "/docs/a.html", "/docs/b.html"}
    assert not outcome.changed
    assert not outcome.checkpoints
    assert not any(getattr(change, "record", None) for change in outcome.changes), "nothing is written"
    pages = [request for request in small_site.requests if request.path != "/robots.txt"]
    assert all("if-none-match" in request.headers for request in pages)


def test_last_modified_alone_is_a_sufficient_validator(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start"), etag=False, last_modified=now() - 1000)
    crawl()

    assert crawl().unchanged == ["/docs/index.html"]


def test_a_changed_page_is_yielded_again(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()
    small_site.put("/docs/a.html", html("A", "New text.", links=["b.html"]))

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/a.html"}
    assert "New text." in outcome.text("/docs/a.html")


def test_the_hash_of_a_page_ignores_boilerplate(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start") + "<footer>Built at 12:00</footer><script>nonce=1</script>")
    before = crawl().changed["/docs/index.html"].document.hash
    site.put("/docs/index.html", html("Start") + "<footer>Built at 12:05</footer><script>nonce=2</script>")

    assert crawl().changed["/docs/index.html"].document.hash == before


def test_a_full_crawl_requests_every_page_unconditionally(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()
    small_site.forget_requests()

    assert len(crawl(full=True).changed) == 3
    assert not any("if-none-match" in request.headers for request in small_site.requests)


@pytest.mark.parametrize("status", [404, 410])
def test_a_deleted_page_is_removed(small_site: DocsSite, crawl: Crawl, store: Store, status: int) -> None:
    crawl()
    small_site.replies["/docs/b.html"] = Reply(status=status)

    assert crawl().removed == ["/docs/b.html"]
    assert small_site.url("/docs/b.html") not in store.resources.known("site")
    assert crawl().removed == []


def test_a_page_that_is_no_longer_linked_is_removed(small_site: DocsSite, crawl: Crawl, store: Store) -> None:
    crawl()
    small_site.put("/docs/a.html", html("A"))

    assert crawl().removed == ["/docs/b.html"]
    assert small_site.url("/docs/b.html") not in store.resources.known("site")


def test_a_moved_page_is_replaced_by_its_new_address(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()
    small_site.redirect("/docs/b.html", "c.html")
    small_site.put("/docs/c.html", html("B"))

    outcome = crawl()

    assert outcome.removed == ["/docs/b.html"]
    assert set(outcome.changed) == {"/docs/c.html"}
    again = crawl()
    assert not again.changed
    assert not again.checkpoints


def test_a_page_that_becomes_noindex_is_removed(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()
    small_site.put("/docs/b.html", html("B", head='<meta name="robots" content="noindex">'))

    assert crawl().removed == ["/docs/b.html"]
    assert crawl().removed == []


def test_an_excluded_page_is_removed(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()

    assert crawl(exclude=("b.html",)).removed == ["/docs/b.html"]


@pytest.mark.parametrize("fault", [500, 503, 429, Reply(drop=True)])
def test_a_transient_failure_removes_no_page(small_site: DocsSite, crawl: Crawl, fault: int | Reply) -> None:
    crawl()
    small_site.fail("/docs/a.html", fault, times=FAST.attempts)

    outcome = crawl()

    assert list(outcome.failed) == ["/docs/a.html"]
    assert outcome.removed == []
    assert "/docs/b.html" in outcome.unchanged, "pages linked from the failed page are still reached"


def test_a_failure_names_the_document_that_is_kept(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()
    small_site.replies["/docs/a.html"] = Reply(status=403)

    failed = [change for change in crawl().changes if type(change).__name__ == "Failed"]

    assert [change.document_id for change in failed] == [f"site:{small_site.url('/docs/a.html')}"]


def test_a_permanently_refused_page_does_not_prevent_removals(small_site: DocsSite, crawl: Crawl) -> None:
    small_site.put("/docs/index.html", html("Start", links=["a.html", "secret.html"]))
    small_site.replies["/docs/secret.html"] = Reply(status=403)
    crawl()
    small_site.put("/docs/a.html", html("A"))

    outcome = crawl()

    assert outcome.removed == ["/docs/b.html"]
    assert list(outcome.failed) == ["/docs/secret.html"]


def test_a_crawl_that_stops_at_max_pages_removes_nothing(small_site: DocsSite, crawl: Crawl) -> None:
    crawl()

    assert crawl(max_pages=1).removed == []


def test_an_outage_of_the_start_page_removes_nothing(small_site: DocsSite, crawl: Crawl, store: Store) -> None:
    crawl()
    small_site.fail("/docs/index.html", 503, times=FAST.attempts)

    with pytest.raises(SourceUnavailable):
        crawl()

    assert len(store.documents.hashes("site")) == 3


def test_an_outage_in_the_middle_ends_the_crawl(site: DocsSite, crawl: Crawl, store: Store) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{n}.html" for n in range(200)]))
    for n in range(200):
        site.fail(f"/docs/{n}.html", Reply(drop=True), times=50)

    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1 stopped answering"):
        crawl()

    assert len(store.documents.hashes("site")) == 1


def test_a_crawl_that_ends_waits_for_no_silent_server(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{n}.html" for n in range(200)]))
    for n in range(200):
        silent = n in (0, 100, 199)
        site.fail(f"/docs/{n}.html", Reply(wait=FAST.timeout + 5) if silent else Reply(drop=True), times=50)

    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1 stopped answering"):
        crawl()

    assert time.monotonic() - started < FAST.timeout - 5


@pytest.mark.parametrize("how", ["unlinked", "missing", "noindex", "moved"])
def test_removing_most_of_a_site_needs_consent(site: DocsSite, crawl: Crawl, how: str) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{n}.html" for n in range(30)]))
    for n in range(30):
        site.put(f"/docs/{n}.html", html(str(n)))
    crawl()
    for n in range(30):
        if how == "missing":
            site.remove(f"/docs/{n}.html")
        if how == "noindex":
            site.put(f"/docs/{n}.html", html(str(n), head='<meta name="robots" content="noindex">'))
        if how == "moved":
            site.redirect(f"/docs/{n}.html", "/login")
    if how == "unlinked":
        site.put("/docs/index.html", html("Down for maintenance"))

    cautious = [crawl(), crawl(), crawl(full=True)]
    accepting = crawl(full=True, most_removed=1.0)

    for outcome in cautious:
        assert outcome.removed == []
        assert "30 of 31 known pages are deleted or no longer linked" in outcome.failed["/docs/index.html"]
        assert "--full --accept-removals" in outcome.failed["/docs/index.html"]
    assert len(accepting.removed) == 30


def test_newly_excluded_pages_are_removed_without_consent(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{n}.html" for n in range(30)]))
    for n in range(30):
        site.put(f"/docs/{n}.html", html(str(n)))
    crawl()

    outcome = crawl(exclude=["[0-9]*.html"])

    assert outcome.failed == {}
    assert len(outcome.removed) == 30


def test_transient_failures_are_retried(small_site: DocsSite, crawl: Crawl) -> None:
    small_site.fail("/docs/a.html", 503)
    small_site.fail("/docs/a.html", Reply(drop=True))

    outcome = crawl()

    assert len(outcome.changed) == 3
    assert not outcome.failed
    assert len(small_site.requests_for("/docs/a.html")) == 3


def test_retry_after_is_honoured(small_site: DocsSite, crawl: Crawl) -> None:
    small_site.fail("/docs/a.html", Reply(status=429, headers={"Retry-After": "1"}))
    started = time.monotonic()

    outcome = crawl()

    assert len(outcome.changed) == 3
    assert time.monotonic() - started >= 1


def test_a_copy_becomes_a_document_when_its_original_is_deleted(site: DocsSite, crawl: Crawl) -> None:
    head = '<link rel="canonical" href="/docs/a.html">'
    site.put("/docs/index.html", html("Start", links=["a.html", "copy/a.html"]))
    site.put("/docs/a.html", html("A"))
    site.put("/docs/copy/a.html", html("A", head=head))
    crawl()
    site.remove("/docs/a.html")

    outcome = crawl()

    assert outcome.removed == ["/docs/a.html"]
    assert set(outcome.changed) == {"/docs/copy/a.html"}


def test_a_second_crawl_writes_nothing_for_copies(site: DocsSite, crawl: Crawl) -> None:
    head = '<link rel="canonical" href="/docs/a.html">'
    site.put("/docs/index.html", html("Start", links=["a.html", "copy/a.html", "./"]))
    site.put("/docs/", html("Start", links=["a.html", "copy/a.html", "./"]))
    site.put("/docs/a.html", html("A"))
    site.put("/docs/copy/a.html", html("A", head=head))
    crawl()

    outcome = crawl()

    assert set(outcome.unchanged) == {"/docs/index.html", "/docs/a.html"}
    assert not outcome.changed
    assert not outcome.checkpoints


def test_a_failed_page_is_read_by_the_next_crawl(small_site: DocsSite, crawl: Crawl) -> None:
    small_site.fail("/docs/b.html", 503, times=FAST.attempts)
    crawl()

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/b.html"}
    assert set(outcome.unchanged) == {"/docs/index.html", "/docs/a.html"}
