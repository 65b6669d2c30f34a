"""Visit an address: fetch it, and read the response."""

from __future__ import annotations

from urllib.parse import urlsplit

from rag.sources.docs.crawling.frontier import Frontier
from rag.sources.docs.crawling.inventory import Inventory
from rag.sources.docs.crawling.outcomes import Failure, NotAPage, NotModified, Outcome, Read, Redirect
from rag.sources.docs.fetching.fetch import Fetched, Fetcher, FetchError
from rag.sources.docs.pages.alternate import Alternates
from rag.sources.docs.pages.formats import may_be_page
from rag.sources.docs.pages.page import NotHtmlError
from rag.sources.docs.pages.reading import ReadingError, read_page_within
from rag.sources.docs.urls import normalise
from rag.store.resources import Resource

__all__ = ["Visitor"]

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
            return self._read(url, self._fetch(url, known))
        except FetchError as error:
            return Failure(str(error), error.transient)
        except (NotHtmlError, ReadingError) as error:
            return Failure(str(error), transient=False)

    def _fetch(self, url: str, known: Resource | None) -> Fetched:
        """Request an address; once more where a server wants its cookie back, or answers what was not asked."""
        etag = known.etag if known else None
        modified = known.last_modified if known else None
        response = self._get(url, etag=etag, last_modified=modified)
        if response.status == 304 and not (etag or modified):
            response = self._get(url, extra={"Cache-Control": "no-cache"})
            if response.status == 304:
                raise FetchError("the server answers 304 (not modified) to a first request", transient=False)
        elif _leads_to_itself(url, response) and (cookies := _cookies(response)):
            response = self._get(url, extra={"Cookie": cookies})
        return response

    def _get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        extra: dict[str, str] | None = None,
    ) -> Fetched:
        return self._fetcher.get(
            url,
            etag=etag,
            last_modified=last_modified,
            extra=extra,
            wanted=lambda response: may_be_page(url, response.content_type),
        )

    def _read(self, url: str, response: Fetched) -> Outcome:
        status = response.status
        if status == 304:
            return NotModified()
        if status in _REDIRECTS:
            location = response.headers.get("location", "").strip()
            target = normalise(location, url) if location else None
            return Redirect(target) if target else Failure("it redirects to an invalid address", transient=False)
        if status in (404, 410):
            return NotAPage(f"does not exist (the server answers {status})", status)
        if status != 200:
            problem = (
                "asks for a login" if status in (401, 407) else "is refused" if status == 403 else "cannot be read"
            )
            return Failure(f"it {problem} (the server answers {status})", transient=False)
        seconds = self._fetcher.limits.reading
        page = None
        if may_be_page(url, response.content_type):
            page = read_page_within(response, self._frontier.scope, seconds=seconds)
        if page is None:
            return NotAPage(f"is {response.content_type or 'of no type'}, not an HTML page")
        page = self._alternates.better(url, page, self._frontier.scope)
        return Read(page, response.etag, response.last_modified)


def _leads_to_itself(url: str, response: Fetched) -> bool:
    location = response.headers.get("location", "")
    return response.status in _REDIRECTS and bool(location) and normalise(location, url) == url


def _cookies(response: Fetched) -> str:
    """Return the cookies that a response sets, as the next request sends them back."""
    pairs = [header.partition(";")[0].strip() for header in response.headers.get_list("set-cookie")]
    return "; ".join(pair for pair in pairs if "=" in pair and pair.isascii() and pair.isprintable())
