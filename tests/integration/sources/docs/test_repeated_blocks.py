"""What a crawl leaves out of a page does not depend on the crawls before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.store.store import Store
from tests.integration.sources.docs.conftest import FAST, Crawl
from tests.servers.docs_site import DocsSite, html

BANNER = "Take part in the survey of all our readers."
PAGES = 20


def put(site: DocsSite, numbers: range, *, banner: str | None, version: str = "") -> None:
    """Put pages with a text of their own; without a change, they keep their ETags."""
    for number in numbers:
        end = f"<p>{banner}</p>" if banner else ""
        site.put(f"/docs/{number}", html(f"Page {number}", f"What page {number} alone says{version}.{end}"))


@pytest.fixture
def big_site(site: DocsSite) -> DocsSite:
    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(100)]))
    put(site, range(PAGES), banner=BANNER)
    return site


def texts(store: Store) -> dict[str, str]:
    stored = {name: store.documents.text(name) for name in store.documents.hashes("site")}
    return {name: found[1] for name, found in stored.items() if found}


def test_a_banner_on_every_page_is_left_out_and_reported_once(big_site: DocsSite, crawl: Crawl, store: Store) -> None:
    outcome = crawl()

    assert not any(BANNER in text for text in texts(store).values())
    assert outcome.noticed == [
        f"what stands on many pages of the site is left out of its documents: “{BANNER}” (20 pages)."
    ]
    again = crawl()
    assert (again.changed, again.noticed, again.checkpoints) == ({}, [], 0)
    full = crawl(full=True)
    assert all(full.changed[path].document.hash == outcome.changed[path].document.hash for path in outcome.changed)


@pytest.mark.parametrize("banner", [None, "Vote for us as the best manual of the year."])
def test_a_banner_that_comes_or_goes_changes_only_the_pages_that_have_it(
    big_site: DocsSite, crawl: Crawl, store: Store, banner: str | None
) -> None:
    crawl()
    before = texts(store)

    put(big_site, range(PAGES), banner=banner)
    crawl()

    assert texts(store) == before


def test_a_banner_that_spreads_is_left_out_of_unchanged_pages_too(site: DocsSite, crawl: Crawl, store: Store) -> None:
    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(PAGES)]))
    put(site, range(7), banner=BANNER)
    put(site, range(7, PAGES), banner=None)
    crawl()
    assert sum(BANNER in text for text in texts(store).values()) == 7

    put(site, range(7, PAGES), banner=BANNER)
    site.forget_requests()
    crawl()

    incremental = texts(store)
    assert not any(BANNER in text for text in incremental.values())
    crawl(full=True)
    assert texts(store) == incremental


def test_a_banner_that_most_pages_lose_returns_to_the_others(big_site: DocsSite, crawl: Crawl, store: Store) -> None:
    crawl()

    put(big_site, range(5, PAGES), banner=None)
    crawl()

    incremental = texts(store)
    assert sum(BANNER in text for text in incremental.values()) == 5
    crawl(full=True)
    assert texts(store) == incremental


def test_a_page_that_is_removed_counts_no_longer(site: DocsSite, crawl: Crawl, store: Store) -> None:
    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(9)]))
    put(site, range(9), banner=BANNER)
    crawl()

    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(7)]))
    crawl()

    assert sum(BANNER in text for text in texts(store).values()) == 7


def test_more_pages_than_are_held_back_at_first_are_all_treated_alike(
    site: DocsSite, crawl: Crawl, store: Store
) -> None:
    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(90)]))
    put(site, range(70), banner=None)
    put(site, range(70, 90), banner="The last part has this notice.")

    crawl()

    assert sum("notice" in text for text in texts(store).values()) == 20


def test_the_pages_of_a_slow_site_are_not_held_back(
    big_site: DocsSite, crawl: Crawl, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.sources.docs.crawling.publish._LONGEST_HELD", 0.0)
    stored = []
    big_site.put("/docs/19", lambda: iter([stored.append(store.documents.count("site")) or b"<p>The last page."]))

    crawl(limits=replace(FAST, concurrency=1))

    assert stored[0] >= 15  # two pages are fetched ahead of the one that is stored
    assert not any(BANNER in text for text in texts(store).values())
