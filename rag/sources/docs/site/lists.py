"""Lists of pages that a site offers without being asked: llms.txt, sitemaps, the menu of a docsify site."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin

from rag.sources.docs.fetching.fetch import Fetcher
from rag.sources.docs.site.robots import Robots
from rag.sources.docs.site.sitemap import Listed, SitemapError, list_pages
from rag.sources.docs.urls import Scope, normalise, resolved

__all__ = ["Found", "find_list"]

_MOST_NAMED_SITEMAPS = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A list, and the pages in it that are under the source's folder."""

    url: str
    pages: tuple[str, ...]


def find_list(start: str, scope: Scope, robots: Robots, fetcher: Fetcher) -> Found | None:
    """Return the first list that has pages of the source, None if the site offers none.

    :param start: the address of a page of the site
    """
    named = [url for sitemap in robots.sitemaps[:_MOST_NAMED_SITEMAPS] if (url := resolved(sitemap, start))]
    guesses = [urljoin(start, path) for path in ("llms.txt", "/llms.txt")]
    guesses += [*named, *(urljoin(start, path) for path in ("sitemap.xml", "/sitemap.xml", "_sidebar.md"))]
    for url in dict.fromkeys(guesses):
        if robots.allows(url) and (pages := _pages(url, start, scope, fetcher)):
            return Found(url, pages)
    return None


def _pages(url: str, start: str, scope: Scope, fetcher: Fetcher) -> tuple[str, ...]:
    pages: dict[str, None] = {}
    try:
        for entry in list_pages(url, fetcher):
            if isinstance(entry, Listed) and (address := normalise(entry.url)) and (page := scope.place(address)):
                pages[page] = None
    except SitemapError:
        return ()
    pages.pop(start, None)
    return tuple(pages)
