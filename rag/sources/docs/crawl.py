"""Crawl a docs site: open its start page or sitemap, then visit every page in its scope."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from rag.errors import SourceError, SourceUnavailable
from rag.settings import DocsConfig
from rag.sources import Change, Failed
from rag.sources.docs.fetch import Fetcher, FetchError
from rag.sources.docs.frontier import Frontier
from rag.sources.docs.interpret import MAX_REDIRECTS, Interpreter
from rag.sources.docs.inventory import Inventory
from rag.sources.docs.outcomes import Failure, NotAPage, Outcome, Redirect
from rag.sources.docs.robots import read_robots
from rag.sources.docs.sitemap import SitemapError, list_pages
from rag.sources.docs.urls import Scope, normalise
from rag.sources.docs.visit import Visitor

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
        self._inventory = Inventory(config.name, store)
        self._visitor = Visitor(fetcher, self._frontier, self._inventory, full=full)
        self._interpreter = Interpreter(
            self._frontier, self._inventory, self._visitor, follow_links=config.sitemap is None
        )
        self._fetched = 0
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
        yield from self._inventory.adopt_version()
        yield from self._visit_all()
        yield from self._interpreter.release_all()
        yield from self._inventory.finish(
            self._config.url,
            self._frontier.seen,
            is_complete=self._is_complete and self._interpreter.is_complete,
            is_asked_for=self._is_asked_for,
            most_removed=self._most_removed,
        )

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
        with ThreadPoolExecutor(workers, thread_name_prefix="crawl") as pool:
            try:
                while True:
                    while self._frontier and len(busy) < workers * 2 and self._fetched < self._config.max_pages:
                        url = self._frontier.pop()
                        self._fetched += 1
                        future = pool.submit(self._visitor.visit, url)
                        busy[future] = url
                        future.add_done_callback(done.put)
                    if busy:
                        future = done.get()
                        yield from self._interpreter.interpret(busy.pop(future), future.result())
                    elif self._frontier and self._fetched >= self._config.max_pages:
                        self._stop_at_limit()
                        break
                    elif not self._interpreter.release_one():
                        break
            finally:
                self._fetcher.close()
                pool.shutdown(cancel_futures=True)

    def _stop_at_limit(self) -> None:
        self._is_complete = False
        log.warning(
            "%s: stopped at max_pages = %d with %d links left; raise max_pages, or narrow include",
            self._config.name,
            self._config.max_pages,
            len(self._frontier),
        )
