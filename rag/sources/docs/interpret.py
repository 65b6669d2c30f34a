"""Turn the outcome of each visit into changes, so that a page is one document however it is reached."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rag.errors import SourceUnavailable
from rag.sources import Change, Failed
from rag.sources.docs.frontier import Frontier
from rag.sources.docs.inventory import Inventory
from rag.sources.docs.outcomes import Failure, NotAPage, NotModified, Outcome, Read, Redirect
from rag.sources.docs.page import Page
from rag.sources.docs.urls import twins
from rag.sources.docs.visit import Visitor
from rag.store.resources import Resource

__all__ = ["MAX_REDIRECTS", "Interpreter"]

MAX_REDIRECTS = 10
#: This many transient failures in a row are an outage.
_OUTAGE = 20
#: A longer page with a meta refresh has content of its own.
_MAX_REFRESH_TEXT = 500


@dataclass(slots=True)
class _Deferred:
    """A page that declares another address as its canonical one, and waits until that is visited.

    `read` is None if the page has not changed.
    """

    url: str
    read: Read | None


class Interpreter:
    """Interprets the outcomes of one crawl, one after the other.

    :param follow_links: visit the pages that a page links to; otherwise the sitemap lists all pages
    """

    def __init__(self, frontier: Frontier, inventory: Inventory, visitor: Visitor, *, follow_links: bool) -> None:
        self._frontier = frontier
        self._inventory = inventory
        self._visitor = visitor
        self._follow_links = follow_links
        #: the digest of the document of each finished address, None if it has no document
        self._settled: dict[str, str | None] = {}
        #: pages that wait for a canonical address
        self._deferred: dict[str, list[_Deferred]] = {}
        self._redirects: dict[str, str] = {}
        #: how many redirects led to an address
        self._hops: dict[str, int] = {}
        #: addresses that pages declare as the site's index or search page
        self._index_pages: set[str] = set()
        #: pages that become documents whatever address they declare as canonical
        self._standalone: set[str] = set()
        self._failures_in_a_row = 0
        #: whether every page could be reached so far
        self.is_complete = True

    def interpret(self, url: str, outcome: Outcome) -> Iterator[Change]:
        """Yield the changes that follow from a visit.

        :raises SourceUnavailable: the site has stopped answering
        """
        if isinstance(outcome, Failure):
            yield from self._failed(url, outcome)
        else:
            self._failures_in_a_row = 0
        if isinstance(outcome, Read):
            yield from self._read(url, outcome)
        elif isinstance(outcome, NotModified):
            yield from self._not_modified(url)
        elif isinstance(outcome, Redirect):
            yield from self._redirected(url, outcome.url)
        elif isinstance(outcome, NotAPage):
            yield from self._drop(url, Resource(url) if outcome.status == 200 else None)

    def _failed(self, url: str, failure: Failure) -> Iterator[Change]:
        is_indexed = self._inventory.is_indexed(url)
        document_id = self._inventory.keep(url)
        if failure.transient:
            self.is_complete = False
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _OUTAGE:
                raise SourceUnavailable(
                    f"{self._frontier.scope.host} stopped answering: {self._failures_in_a_row} pages in a row failed, "
                    f"the last because {failure.error}. What was read is kept; try again later."
                )
        yield Failed(url, failure.error, document_id if is_indexed else None)
        # The pages that it linked to at the last sync are still visited.
        if page := self._inventory.known.get(url):
            self._follow(page.links)
        yield from self._settle(url, None)

    def _not_modified(self, url: str) -> Iterator[Change]:
        page = replace(self._inventory.known[url], lastmod=self._inventory.lastmods.get(url))
        self._follow(page.links)
        if page.document_id == self._inventory.id_of(url):
            yield self._inventory.unchanged(page)
            yield from self._settle(url, page.document_id)
        elif page.document_id:
            yield from self._defer(self._inventory.url_of(page.document_id), _Deferred(url, None))
        else:
            self._inventory.note(page)
            yield from self._settle(url, None)

    def _redirected(self, url: str, target: str) -> Iterator[Change]:
        placed = self._frontier.scope.place(target)
        self._redirects[url] = placed or target
        hops = self._hops.get(url, 0) + 1
        if hops > MAX_REDIRECTS or self._is_circle(url):
            how = f"more than {MAX_REDIRECTS} times" if hops > MAX_REDIRECTS else "in a circle"
            yield from self._failed(url, Failure(f"it redirects {how}", transient=False))
            return
        if placed:
            self._hops.setdefault(placed, hops)
            self._frontier.add(placed)
        yield from self._drop(url, Resource(url, links=(placed,) if placed else ()))

    def _is_circle(self, url: str) -> bool:
        step = self._redirects.get(url)
        for _ in range(MAX_REDIRECTS):
            if step is None or step == url:
                break
            step = self._redirects.get(step)
        return step == url

    def _read(self, url: str, read: Read) -> Iterator[Change]:
        page, scope = read.page, self._frontier.scope
        self._index_pages.update(page.index_pages)
        self._follow(page.links)
        refresh = scope.place(page.refresh) if page.refresh else None
        if refresh and refresh != url and len(page.text) < _MAX_REFRESH_TEXT:
            yield from self._redirected(url, refresh)
            return
        is_index = url in self._index_pages and url != scope.start
        if page.noindex or is_index or not scope.wants(url) or not page.text.strip():
            yield from self._drop(url, self._inventory.describe(url, read, None))
            return
        canonical = self._canonical(url, page)
        if canonical and url not in self._standalone:
            yield from self._defer(canonical, _Deferred(url, read))
        else:
            yield from self._document(url, read)

    def _follow(self, links: tuple[str, ...]) -> None:
        if self._follow_links:
            self._frontier.add_all(links)

    def _canonical(self, url: str, page: Page) -> str | None:
        """Return another address that may have the page's document; None if there is no sign of one."""
        scope = self._frontier.scope
        if page.canonical:
            placed = scope.place(page.canonical)
            if placed and placed != url and scope.wants(placed) and self._frontier.robots.allows(placed):
                return placed
            if placed == url:
                return None
        if self._inventory.is_indexed(url):
            return None
        return next((twin for twin in twins(url) if twin in self._frontier.seen), None)

    def _defer(self, canonical: str, deferred: _Deferred) -> Iterator[Change]:
        """Let a page wait until its canonical address is visited; decide at once if it was."""
        if canonical in self._settled:
            yield from self._decide(canonical, deferred)
            return
        self._deferred.setdefault(canonical, []).append(deferred)
        self._frontier.add(canonical, first=True)

    def _decide(self, canonical: str, deferred: _Deferred) -> Iterator[Change]:
        """Decide whether a page is a copy of the document at its canonical address, or a document of its own."""
        digest = self._settled[canonical]
        url, read = deferred.url, deferred.read
        if read is None:
            if digest is None:
                self._visit_again(url)
            else:
                self._inventory.note(self._inventory.known[url])
                yield from self._settle(url, None)
            return
        declared = read.page.canonical
        is_declared = declared is not None and self._frontier.scope.place(declared) == canonical
        if digest is not None and (is_declared or digest == _digest(read.page)):
            yield from self._drop(url, self._inventory.describe(url, read, self._inventory.id_of(canonical)))
        else:
            yield from self._document(url, read)

    def _visit_again(self, url: str) -> None:
        self._visitor.refetch(url)
        self._standalone.add(url)
        self._frontier.add_again(url)

    def release_one(self) -> bool:
        """Visit again the pages that wait for one address, which waits for them; return whether there were any."""
        for canonical, waiting in self._deferred.items():
            self._settled.setdefault(canonical, None)
            del self._deferred[canonical]
            for deferred in waiting:
                self._visit_again(deferred.url)
            return True
        return False

    def release_all(self) -> Iterator[Change]:
        """Make documents of the pages whose canonical address is not going to be visited."""
        while self._deferred:
            for url in list(self._deferred):
                for deferred in self._deferred.pop(url, ()):
                    if deferred.read:
                        yield from self._document(deferred.url, deferred.read)

    def _document(self, url: str, read: Read) -> Iterator[Change]:
        yield self._inventory.changed(url, read)
        yield from self._settle(url, _digest(read.page))

    def _drop(self, url: str, page: Resource | None) -> Iterator[Change]:
        """Settle an address without a document; None forgets the address."""
        if not self._inventory.drop(url, page):
            self._frontier.seen.discard(url)
        yield from self._settle(url, None)

    def _settle(self, url: str, digest: str | None) -> Iterator[Change]:
        self._settled[url] = digest
        for deferred in self._deferred.pop(url, []):
            yield from self._decide(url, deferred)


def _digest(page: Page) -> str:
    return hashlib.sha256(f"{page.title}\0{page.text}".encode("utf-8", "replace")).hexdigest()
