"""A docs site as a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from rag.settings import DocsConfig
from rag.sources import MOST_REMOVED, Change
from rag.sources.docs.crawling.crawl import Crawl
from rag.sources.docs.crawling.inventory import PRIVATE_HOSTS
from rag.sources.docs.fetching.fetch import Fetcher, Limits

if TYPE_CHECKING:
    from rag.store.store import Store

__all__ = ["DocsSource"]


class DocsSource:
    """The pages of a docs site under the folder of its start address.

    :param transport: an httpx transport to use instead of the network
    :param limits: the limits of the crawl
    :param most_removed: the share of the source's documents, 0 to 1, that one crawl may remove; if more are gone, none
        is removed and the crawl reports a failure
    """

    kind = "docs"

    def __init__(
        self,
        config: DocsConfig,
        store: Store,
        *,
        transport: httpx.BaseTransport | None = None,
        limits: Limits | None = None,
        most_removed: float = MOST_REMOVED,
    ) -> None:
        self.name = config.name
        self._fetcher: Fetcher | None = None
        self._most_removed = most_removed
        self._config = config
        self._store = store
        self._transport = transport
        self._limits = limits or Limits()

    @property
    def requests(self) -> int:
        """HTTP requests sent so far."""
        return self._fetcher.requests if self._fetcher else 0

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Crawl the site and yield the changes; pages are fetched as the consumer takes them.

        :param full: fetch every page, even if it has not changed
        :raises SourceUnavailable: the site cannot be reached, or stops answering
        :raises SourceError: the start page or sitemap is refused, missing or unreadable
        """
        hosts = {urlsplit(url).hostname or "" for url in (self._config.url, self._config.sitemap) if url}
        seen = self._store.sources.cursor(self.name).get(PRIVATE_HOSTS)
        private = {host: bool(seen[host]) for host in hosts if host in seen} if isinstance(seen, dict) else {}
        with Fetcher(trusted=hosts, private=private, limits=self._limits, transport=self._transport) as fetcher:
            fetcher.slow_down(self._config.delay)
            crawl = Crawl(self._config, self._store, fetcher, full=full, most_removed=self._most_removed)
            self._fetcher = fetcher
            yield from crawl.run()
