"""The addresses that a crawl still has to visit, each once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from rag.sources.docs.site.robots import Robots
from rag.sources.docs.urls import Scope, file_suffix, is_media

__all__ = ["Frontier"]

log = logging.getLogger(__name__)

#: A path with more query strings than this is a calendar or a search form; further ones are not visited.
_MAX_VARIANTS = 50


#: Addresses that are named like files are requested to see their type; after this many without a page among them,
#: further ones with the same suffix are not.
_MAX_FILES = 10


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
        #: how many files of each suffix were added
        self._files: dict[str, int] = {}
        #: suffixes of addresses that are pages, and the addresses that wait until theirs is one
        self._page_suffixes: set[str] = set()
        self._held_back: dict[str, dict[str, None]] = {}

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
        if is_media(path) or not self.scope.wants(url) or not self.robots.allows(url):
            return
        if not self._allows_file(url, file_suffix(path)):
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

    def found_page(self, url: str) -> None:
        """Note that an address is a page; others with its suffix are visited from now on."""
        suffix = file_suffix(url.partition("?")[0])
        if suffix and suffix not in self._page_suffixes:
            self._page_suffixes.add(suffix)
            self.add_all(self._held_back.pop(suffix, {}))

    def _allows_file(self, url: str, suffix: str) -> bool:
        if not suffix or suffix in self._page_suffixes:
            return True
        count = self._files[suffix] = self._files.get(suffix, 0) + 1
        if count > _MAX_FILES:
            self._held_back.setdefault(suffix, {})[url] = None
        return count <= _MAX_FILES

    def _allows_variant(self, path: str) -> bool:
        count = self._variants[path] = self._variants.get(path, 0) + 1
        if count == _MAX_VARIANTS + 1:
            log.warning(
                "%s: %s has more than %d query strings; further ones are skipped", self._source, path, _MAX_VARIANTS
            )
        return count <= _MAX_VARIANTS
