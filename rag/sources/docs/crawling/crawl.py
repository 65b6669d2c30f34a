"""Crawl a docs site: open its start page or sitemap, then visit every page in its scope."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from rag.errors import SourceError, SourceUnavailable
from rag.settings import DocsConfig
from rag.sources import Change, Failed, Noticed
from rag.sources.docs.crawling.frontier import Frontier
from rag.sources.docs.crawling.interpret import MAX_REDIRECTS, Interpreter
from rag.sources.docs.crawling.inventory import Inventory
from rag.sources.docs.crawling.outcomes import Failure, NotAPage, NotModified, Outcome, Read, Redirect
from rag.sources.docs.crawling.publish import Publisher
from rag.sources.docs.crawling.tally import LeftOut
from rag.sources.docs.crawling.visit import Visitor
from rag.sources.docs.fetching.fetch import Fetcher, FetchError
from rag.sources.docs.site.lists import find_list
from rag.sources.docs.site.robots import read_robots
from rag.sources.docs.site.sitemap import SitemapError, WrongEntries, list_pages
from rag.sources.docs.urls import Scope, normalise

if TYPE_CHECKING:
    from rag.store.store import Store

__all__ = ["Crawl"]

log = logging.getLogger(__name__)


class Crawl:
    """One crawl of one site.

    :param full: fetch every page, even if it has not changed
    :param most_removed: the share of the source's documents, 0 to 1, that the crawl may remove
    :raises SourceError: the start address is invalid
    """

    def __init__(self, config: DocsConfig, store: Store, fetcher: Fetcher, *, full: bool, most_removed: float) -> None:
        start = normalise(config.url)
        if start is None:
            raise SourceError(f"{config.url} is not a valid address; correct url of {config.name}.")
        self._config = config
        self._fetcher = fetcher
        self._most_removed = most_removed
        self._frontier = Frontier(config.name, self._scope_of(start))
        self._inventory = Inventory(config.name, store, version=config.version)
        self._visitor = Visitor(fetcher, self._frontier, self._inventory, full=full)
        self._publisher = Publisher(self._inventory)
        self._interpreter = Interpreter(
            self._frontier, self._inventory, self._visitor, self._publisher, follow_links=config.sitemap is None
        )
        for url in self._inventory.known:
            if self._inventory.is_indexed(url):
                self._frontier.found_page(url)
        for url in self._publisher.outdated():
            self._visitor.refetch(url)
        self._fetched = 0
        self._most = config.max_pages
        #: whether the crawl finds all pages; only then are unseen ones gone
        self._is_complete = True

    def _scope_of(self, start: str) -> Scope:
        return Scope(start, self._config.include, self._config.exclude)

    def run(self) -> Iterator[Change]:
        """Yield the changes; pages are fetched only a few ahead of the consumer.

        :raises SourceUnavailable: the site cannot be reached, or stops answering
        :raises SourceError: the start page or sitemap is refused, missing or unreadable
        """
        start = self._frontier.scope.start
        try:
            self._frontier.robots = read_robots(start, self._fetcher)
        except FetchError as error:
            raise self._start_error(start, Failure(str(error), error.transient)) from error
        self._fetcher.slow_down(self._frontier.robots.delay)
        if self._config.sitemap:
            yield from self._read_sitemap(self._config.sitemap)
        else:
            yield from self._open(start)
        yield from self._inventory.adopt(self._fetcher.private)
        try:
            yield from self._visit_all()
        except SourceUnavailable:
            yield from self._publisher.flush()
            raise
        yield from self._interpreter.release_all()
        yield from self._publisher.flush()
        yield from self._interpreter.tally.notices()
        yield from self._publisher.notices()
        yield from self._inventory.finish(
            self._config.url,
            self._frontier.seen,
            is_complete=self._has_seen_all,
            is_asked_for=self._is_asked_for,
            most_removed=self._most_removed,
        )
        if not self._inventory.has_documents:
            yield Failed(self._config.url, self._why_empty())

    @property
    def _has_seen_all(self) -> bool:
        return self._is_complete and self._interpreter.is_complete

    def _why_empty(self) -> str:
        left_out = self._interpreter.tally.left_out
        reasons = self._interpreter.tally.why_empty()
        message = f"no page became a document: {reasons}" if reasons else "no page became a document"
        if left_out[LeftOut.SCRIPT]:
            return (
                f"{message}. The crawler runs no JavaScript, and the site offers no text without it: no llms.txt, "
                "sitemap or Markdown whose pages have text. Add the Markdown that the site is made of as a "
                "[[repository]] source."
            )
        return f"{message}. Check url, include and exclude of {self._config.name}."

    def _is_asked_for(self, url: str) -> bool:
        scope = self._frontier.scope
        place = scope.place(url)
        return place is not None and scope.wants(place)

    def _read_sitemap(self, sitemap: str) -> Iterator[Change]:
        listed = 0
        try:
            for found in list_pages(sitemap, self._fetcher):
                if isinstance(found, SitemapError):
                    self._is_complete = False
                    yield Failed(found.url, str(found))
                    continue
                if isinstance(found, WrongEntries):
                    entries_were = "entry has no URL and was" if found.count == 1 else "entries have no URL and were"
                    yield Noticed(f"{found.url}: {found.count} {entries_were} skipped.")
                    continue
                listed += 1
                url = normalise(found.url)
                url = self._frontier.scope.place(url) if url else None
                if url:
                    self._inventory.lastmods[url] = found.lastmod
                    self._frontier.add(url)
        except SitemapError as error:
            kind = SourceUnavailable if error.transient else SourceError
            raise kind(
                f"The sitemap {error.url} cannot be read: {error}. Check sitemap of {self._config.name}."
            ) from error
        if not self._frontier.seen:
            raise SourceError(
                f"The sitemap {sitemap} lists {listed} pages, none of which may be crawled under the folder of "
                f"{self._config.url}. Check url, include and exclude of {self._config.name}."
            )

    def _open(self, url: str) -> Iterator[Change]:
        """Fetch the start page, or the page that it redirects to, before any other."""
        frontier = self._frontier
        for _ in range(MAX_REDIRECTS):
            if not frontier.robots.allows(url):
                raise SourceError(f"robots.txt of {frontier.scope.host} does not allow crawling {url}.")
            frontier.seen.add(url)
            outcome = self._visitor.visit(url)
            self._fetched += 1
            if not isinstance(outcome, Redirect):
                break
            target = self._moved_start(url, outcome.url)
            yield from self._interpreter.interpret(url, Redirect(target))
            if not frontier.take(target):
                raise SourceError(f"{self._config.url} redirects in a circle; open it in a browser and correct url.")
            url = target
        else:
            raise SourceError(f"{self._config.url} redirects more than {MAX_REDIRECTS} times.")
        if isinstance(outcome, Failure | NotAPage):
            raise self._start_error(url, outcome)
        yield from self._interpreter.interpret(url, outcome)
        if self._needs_a_list(url, outcome):
            yield from self._follow_a_list(url)

    def _needs_a_list(self, url: str, outcome: Outcome) -> bool:
        """Return whether a script makes the start page, so that it links to nothing."""
        if isinstance(outcome, NotModified):
            known = self._inventory.known.get(url)
            return known is not None and not known.links
        return isinstance(outcome, Read) and outcome.page.is_shell

    def _follow_a_list(self, url: str) -> Iterator[Change]:
        found = find_list(url, self._frontier.scope, self._frontier.robots, self._fetcher)
        if found:
            self._frontier.add_all(found.pages)
            yield Noticed(
                f"{url} needs JavaScript to show its text and links, which the crawler does not run; the pages that "
                f"{found.url} lists are read instead."
            )

    def _moved_start(self, url: str, target: str) -> str:
        """Return the address that the start page redirects to.

        A redirect from http to https, or to the folder with its slash, moves the scope as well.

        :raises SourceError: the address is outside the folder
        """
        placed = self._frontier.scope.place(target)
        if target == f"{url}/" or (placed and placed != target):
            self._frontier.scope = self._scope_of(target)
            return target
        if placed:
            return placed
        raise SourceError(
            f"{url} redirects to {target}, which is outside its folder; if that is the site, set url of "
            f"{self._config.name} to it."
        )

    def _start_error(self, url: str, outcome: Failure | NotAPage) -> SourceError:
        if isinstance(outcome, NotAPage):
            return SourceError(f"{url} {outcome.reason}. Check url of {self._config.name}.")
        if outcome.transient:
            return SourceUnavailable(f"{url} cannot be reached: {outcome.error}. Try again later.")
        return SourceError(f"{url} cannot be read: {outcome.error}. Check url of {self._config.name}.")

    def _visit_all(self) -> Iterator[Change]:
        """Visit the addresses of the frontier in several threads, a few pages ahead of the consumer."""
        workers = self._fetcher.limits.concurrency
        done: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        busy: dict[Future[Outcome], str] = {}
        is_settled = False
        with ThreadPoolExecutor(workers, thread_name_prefix="crawl") as pool:
            try:
                while True:
                    while self._frontier and len(busy) < workers * 2 and self._fetched < self._most:
                        url = self._frontier.pop()
                        self._fetched += 1
                        future = pool.submit(self._visitor.visit, url)
                        busy[future] = url
                        future.add_done_callback(done.put)
                    if busy:
                        future = done.get()
                        yield from self._interpreter.interpret(busy.pop(future), future.result())
                    elif self._frontier and self._fetched >= self._most:
                        self._stop_at_limit()
                        break
                    elif not self._interpreter.release_one():
                        yield from self._publisher.flush()
                        if is_settled or not self._visit_outdated():
                            break
                        is_settled = True
            finally:
                self._fetcher.close()
                pool.shutdown(cancel_futures=True)

    def _visit_outdated(self) -> bool:
        """Visit again the pages whose documents lack the wrong blocks; return whether there are any."""
        current = self._inventory.current(is_complete=self._has_seen_all)
        outdated = self._publisher.settle(current)
        for url in outdated:
            self._interpreter.visit_again(url)
        self._most = max(self._most, self._fetched + len(outdated))
        return bool(outdated)

    def _stop_at_limit(self) -> None:
        self._is_complete = False
        log.warning(
            "%s: stopped at max_pages = %d with %d links left; raise max_pages, or narrow include",
            self._config.name,
            self._config.max_pages,
            len(self._frontier),
        )
