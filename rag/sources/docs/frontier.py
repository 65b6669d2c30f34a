"""The addresses that a crawl still has to visit, each once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from rag.sources.docs.robots import Robots
from rag.sources.docs.urls import Scope, may_be_page

__all__ = ["Frontier"]

log = logging.getLogger(__name__)

#: A path with more query strings than this is a calendar or a search form; further ones are not visited.
_MAX_VARIANTS = 50


class Frontier:
    """A queue of addresses.

    :param source: the name of the source
    :param scope: the addresses that belong to the source
    """

    def __init__(self, source: str, scope: Scope) -> None:
        self.scope = scope
        self.robots = Robots()
        #: every address that was ever added
        self.seen: set[str] = set()
        self._source = source
        self._waiting: deque[str] = deque()
        self._variants: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def pop(self) -> str:
        """Return the next address to visit."""
        return self._waiting.popleft()

    def take(self, url: str) -> bool:
        """Remove an address from the queue; return whether it was there."""
        if url not in self._waiting:
            return False
        self._waiting.remove(url)
        return True

    def add(self, url: str, *, first: bool = False) -> None:
        """Add an address, unless it was added before or must not be visited.

        :param first: visit it before all others
        """
        if url in self.seen:
            return
        path, _, query = url.partition("?")
        if not may_be_page(path) or not self.scope.wants(url) or not self.robots.allows(url):
            return
        if query and not self._allows_variant(path):
            return
        self.seen.add(url)
        if first:
            self._waiting.appendleft(url)
        else:
            self._waiting.append(url)

    def add_all(self, urls: Iterable[str]) -> None:
        """Add several addresses."""
        for url in urls:
            self.add(url)

    def add_again(self, url: str) -> None:
        """Visit an address once more, before all others."""
        self._waiting.appendleft(url)

    def _allows_variant(self, path: str) -> bool:
        count = self._variants[path] = self._variants.get(path, 0) + 1
        if count == _MAX_VARIANTS + 1:
            log.warning(
                "%s: %s has more than %d query strings; further ones are skipped", self._source, path, _MAX_VARIANTS
            )
        return count <= _MAX_VARIANTS
