"""Make documents of the pages of a crawl, without the blocks that many of them share."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from rag.sources import Changed, Noticed
from rag.sources.docs.crawling.inventory import Inventory
from rag.sources.docs.crawling.outcomes import Read
from rag.sources.docs.crawling.repeated import Blocks, repeated, to_cut

__all__ = ["Publisher"]

#: The first crawl of a site holds this many pages back to see what they share. A later one knows it from the last.
_SAMPLE = 64
#: In seconds. The pages of a slow site are not held back for longer: they would be lost if the crawl is interrupted.
_LONGEST_HELD = 1.0
_MOST_SAMPLES = 5
_SAMPLE_CHARACTERS = 100


class Publisher:
    """Makes documents of pages.

    What a document lacks follows from the current pages of the site alone. While they are being read, the pages of the
    last crawl, or the first pages of this one, tell what they share; the documents for which they told wrong are made
    again when all pages are known.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        own = {url: page for url, page in inventory.known.items() if page.document_id == inventory.id_of(url)}
        #: of each page
        self._edges = {url: page.edges for url, page in own.items() if inventory.is_indexed(url)}
        self._cut = {url: own[url].cut for url in self._edges}
        self._cut_before = {block for cut in self._cut.values() for block in cut}
        self._shared = repeated(self._edges.values())
        self._held: dict[str, Read] = {}
        self._is_sampling = not any(self._edges.values())
        self._sampled: set[str] = set()
        self._held_since = 0.0
        self._seen: set[int] = set()
        #: the text of blocks that were seen twice
        self._samples: dict[int, str] = {}

    def add(self, url: str, read: Read) -> Iterator[Changed]:
        """Make a document of a page, and of the pages that were held back if it is time."""
        self._inventory.keep(url)
        if not self._is_sampling:
            yield self._document(url, read)
            return
        if not self._sampled:
            self._held_since = time.monotonic()
        self._sampled.add(url)
        self._held[url] = read
        self._edges[url] = self._blocks(read).edges
        if len(self._sampled) >= _SAMPLE:
            yield from self.flush()
        elif time.monotonic() - self._held_since >= _LONGEST_HELD:
            yield from self._release()

    def flush(self) -> Iterator[Changed]:
        """Make documents of the pages that were held back, and hold back no more."""
        if self._is_sampling:
            self._is_sampling = False
            yield from self._release()

    def _release(self) -> Iterator[Changed]:
        """Make documents of the pages that are held back, by what all pages so far share."""
        self._shared = repeated(self._edges[url] for url in self._sampled)
        held, self._held = self._held, {}
        for url, read in held.items():
            yield self._document(url, read)
        self._held_since = time.monotonic()

    def settle(self, current: Collection[str]) -> list[str]:
        """Decide finally what the pages share.

        :param current: the addresses of the pages that the site has
        :returns: the pages whose documents have to be made again
        """
        self._edges = {url: edges for url, edges in self._edges.items() if url in current}
        self._shared = repeated(self._edges.values())
        return self.outdated()

    def outdated(self) -> list[str]:
        """Return the pages whose documents lack other blocks than they should."""
        return [url for url, edges in self._edges.items() if to_cut(edges, self._shared) != self._cut.get(url, ())]

    def notices(self) -> Iterator[Noticed]:
        """Tell which blocks are left out that were not before."""
        new = [block for block in self._shared - self._cut_before if block in self._samples]
        if not new:
            return
        pages = {block: sum(block in cut for cut in self._cut.values()) for block in new}
        new.sort(key=lambda block: (-pages[block], self._samples[block]))
        shown = ", ".join(f"“{self._samples[block]}” ({pages[block]} pages)" for block in new[:_MOST_SAMPLES])
        more = f", and {len(new) - _MOST_SAMPLES} more" if len(new) > _MOST_SAMPLES else ""
        yield Noticed(f"what stands on many pages of the site is left out of its documents: {shown}{more}.")

    def _document(self, url: str, read: Read) -> Changed:
        blocks = self._blocks(read)
        self._edges[url] = edges = blocks.edges
        self._cut[url] = cut = to_cut(edges, self._shared)
        for block in edges:
            if block in self._seen and block not in self._samples and block:
                self._samples[block] = blocks.sample(block)[:_SAMPLE_CHARACTERS]
        self._seen.update(edges)
        return self._inventory.changed(url, read, text=blocks.without(cut), edges=edges, cut=cut)

    def _blocks(self, read: Read) -> Blocks:
        return Blocks(read.page.text)
