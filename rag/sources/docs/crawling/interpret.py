"""Turn the outcome of each visit into changes, so that a page is one document however it is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rag.errors import SourceUnavailable
from rag.sources import Change, Failed
from rag.sources.docs.crawling.copies import Original, digest, markdown_twins
from rag.sources.docs.crawling.frontier import Frontier
from rag.sources.docs.crawling.inventory import Inventory
from rag.sources.docs.crawling.outcomes import Failure, NotAPage, NotModified, Outcome, Read, Redirect
from rag.sources.docs.crawling.publish import Publisher
from rag.sources.docs.crawling.tally import LeftOut, Tally
from rag.sources.docs.crawling.visit import Visitor
from rag.sources.docs.pages.page import Page
from rag.sources.docs.urls import twins
from rag.store.resources import Resource

__all__ = ["MAX_REDIRECTS", "Interpreter"]

MAX_REDIRECTS = 10
#: This many transient failures in a row are an outage.
_OUTAGE = 20
#: A longer page with a meta refresh has content of its own.
_MAX_REFRESH_TEXT = 500
#: The title of a page that stands for a missing one although the server answers 200, and the words it has at most.
_MISSING = re.compile(
    r"^(?:error\s+)?404\W*(?:$|[-:|–—.]|error\b|not\b|page\W*$)|\b(?:page|document|file)\s+(?:was\s+)?not\s+found\b|^not\s+found$",
    re.IGNORECASE,
)
_MAX_MISSING_WORDS = 60


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

    def __init__(
        self,
        frontier: Frontier,
        inventory: Inventory,
        visitor: Visitor,
        publisher: Publisher,
        *,
        follow_links: bool,
    ) -> None:
        self.tally = Tally()
        self._publisher = publisher
        self._frontier = frontier
        self._inventory = inventory
        self._visitor = visitor
        self._follow_links = follow_links
        #: the document of each finished address, its address if it has not changed, None if it has none
        self._settled: dict[str, Original | str | None] = {}
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
            if outcome.status == 200:
                self.tally.leave_out(LeftOut.OTHER_TYPE)
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
            yield from self._settle(url, url)
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
        self._frontier.found_page(url)
        if reason := self._reason_to_leave_out(url, page):
            self.tally.leave_out(reason)
            yield from self._drop(url, self._inventory.describe(url, read, None))
            return
        canonical = self._canonical(url, page)
        if canonical and url not in self._standalone:
            yield from self._defer(canonical, _Deferred(url, read))
        else:
            yield from self._document(url, read)

    def _reason_to_leave_out(self, url: str, page: Page) -> LeftOut | None:
        scope = self._frontier.scope
        if page.noindex:
            return LeftOut.NOINDEX
        if (url in self._index_pages and url != scope.start) or not scope.wants(url):
            return LeftOut.UNWANTED
        if not page.text.strip():
            return LeftOut.SCRIPT if page.is_shell else LeftOut.EMPTY
        if _MISSING.search(page.title) and len(page.text.split()) < _MAX_MISSING_WORDS:
            return LeftOut.MISSING
        return None

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
        of_markdown = next((twin for twin in markdown_twins(url) if twin in self._frontier.seen), None)
        if of_markdown or self._inventory.is_indexed(url):
            return of_markdown
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
        original = self._settled[canonical]
        url, read = deferred.url, deferred.read
        if read is None:
            if original is None:
                self.visit_again(url)
            else:
                self._inventory.note(self._inventory.known[url])
                yield from self._settle(url, None)
        elif original is not None and self._is_copy(url, read.page, canonical):
            yield from self._drop(url, self._inventory.describe(url, read, self._inventory.id_of(canonical)))
        else:
            yield from self._document(url, read)

    def _is_copy(self, url: str, page: Page, canonical: str) -> bool:
        """Return whether a page is a copy of the document at an address that it declares, or that usually has it."""
        original = self._settled[canonical]
        if isinstance(original, str):
            original = self._settled[canonical] = self._inventory.original(original)
        if original is None:
            return False
        if canonical in markdown_twins(url):
            return original.is_page_of(page.title, page.text)
        if original.digest == digest(page.title, page.text):
            return True
        if page.canonical is None or self._frontier.scope.place(page.canonical) != canonical:
            return False
        is_copy = original.is_copied_by(page.title, page.text)
        if not is_copy:
            self.tally.keep_despite(canonical)
        return is_copy

    def visit_again(self, url: str) -> None:
        """Fetch a page once more, and make a document of it whatever address it declares as canonical."""
        self._visitor.refetch(url)
        self._standalone.add(url)
        self._frontier.add_again(url)

    def release_one(self) -> bool:
        """Visit again the pages that wait for one address, which waits for them; return whether there were any."""
        for canonical, waiting in self._deferred.items():
            self._settled.setdefault(canonical, None)
            del self._deferred[canonical]
            for deferred in waiting:
                self.visit_again(deferred.url)
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
        self.tally.count_words(url, read.page)
        yield from self._publisher.add(url, read)
        yield from self._settle(url, Original(read.page.title, read.page.text))

    def _drop(self, url: str, page: Resource | None) -> Iterator[Change]:
        """Settle an address without a document; None forgets the address."""
        if not self._inventory.drop(url, page):
            self._frontier.seen.discard(url)
        yield from self._settle(url, None)

    def _settle(self, url: str, original: Original | str | None) -> Iterator[Change]:
        self._settled[url] = original
        for deferred in self._deferred.pop(url, []):
            yield from self._decide(url, deferred)
