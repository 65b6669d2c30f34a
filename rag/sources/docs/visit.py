"""Visit an address: fetch it, and read the response."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from rag.sources.docs.alternate import MARKDOWN_TYPES, Alternates, markdown_links
from rag.sources.docs.fetch import Fetched, Fetcher, FetchError
from rag.sources.docs.frontier import Frontier
from rag.sources.docs.inventory import Inventory
from rag.sources.docs.outcomes import Failure, NotAPage, NotModified, Outcome, Read, Redirect
from rag.sources.docs.page import NotHtmlError, Page, decode, read_page
from rag.sources.docs.urls import Scope, normalise
from rag.sources.markup.markdown import read_markdown
from rag.text.anchors import split_anchor
from rag.text.blocks import is_heading, lines_with_code

__all__ = ["Visitor"]

log = logging.getLogger(__name__)

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/xml", "text/xml", ""})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Visitor:
    """Visits addresses from several threads.

    :param full: fetch every page, even if it has not changed
    """

    def __init__(self, fetcher: Fetcher, frontier: Frontier, inventory: Inventory, *, full: bool) -> None:
        self._fetcher = fetcher
        self._frontier = frontier
        self._inventory = inventory
        self._full = full
        #: addresses to fetch even if they have not changed
        self._refetched: set[str] = set()
        self._alternates = Alternates(
            fetcher, lambda url: urlsplit(url).hostname == frontier.scope.host and frontier.robots.allows(url)
        )

    def refetch(self, url: str) -> None:
        """Fetch an address at its next visit even if it has not changed."""
        self._refetched.add(url)

    def visit(self, url: str) -> Outcome:
        """Fetch and read an address."""
        known = self._inventory.known.get(url) if not self._full and url not in self._refetched else None
        if known and known.document_id and known.document_id not in self._inventory.indexed:
            known = None
        if known and known.lastmod and known.lastmod == self._inventory.lastmods.get(url):
            return NotModified()
        try:
            response = self._fetcher.get(
                url, etag=known.etag if known else None, last_modified=known.last_modified if known else None
            )
            return self._read(url, response)
        except FetchError as error:
            return Failure(str(error), error.transient)
        except NotHtmlError as error:
            return Failure(str(error), transient=False)
        except Exception as error:
            # Pages come from anywhere: one that breaks the reader must not end the crawl.
            log.exception("%s could not be read", url)
            return Failure(f"it could not be read ({type(error).__name__})", transient=False)

    def _read(self, url: str, response: Fetched) -> Outcome:
        status = response.status
        if status == 304:
            return NotModified()
        if status in _REDIRECTS:
            target = normalise(response.headers.get("location", ""), url)
            return Redirect(target) if target else Failure("it redirects to no valid address", transient=False)
        if status in (404, 410):
            return NotAPage(f"does not exist (the server answers {status})", status)
        if status != 200:
            problem = (
                "asks for a login" if status in (401, 407) else "is refused" if status == 403 else "cannot be read"
            )
            return Failure(f"it {problem} (the server answers {status})", transient=False)
        content_type = response.content_type
        if content_type in _HTML_TYPES:
            page = read_page(
                response.body,
                url=url,
                charset=response.charset,
                robots=response.headers.get("x-robots-tag", ""),
                link=self._frontier.scope.link,
            )
            page = self._alternates.better(url, page)
        elif content_type in MARKDOWN_TYPES:
            page = _read_markdown_page(response, url, self._frontier.scope)
        else:
            return NotAPage(f"is {content_type}, not an HTML page")
        return Read(page, response.headers.get("etag"), response.headers.get("last-modified"))


def _read_markdown_page(response: Fetched, url: str, scope: Scope) -> Page:
    """Read a page that exists only as Markdown; its headings get no anchors, since no page has them."""
    source = decode(response.body, response.charset)
    text = read_markdown(source)
    links = dict.fromkeys(place for href in markdown_links(source) if (place := scope.link(href, url)))
    links.pop(url, None)
    lines: list[str] = []
    title = ""
    for line, is_code in lines_with_code(text.markdown.split("\n"), nested=True):
        if is_heading(line) and not is_code:
            lines.append(split_anchor(line)[0])
            title = title or (lines[-1].removeprefix("# ") if line.startswith("# ") else "")
        else:
            lines.append(line)
    return Page(
        title or text.title or url.rstrip("/").rpartition("/")[2],
        "\n".join(lines),
        tuple(links),
        canonical=None,
        refresh=None,
        noindex=False,
        fragments=frozenset(),
    )
