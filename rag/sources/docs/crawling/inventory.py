"""What a docs source remembers of each address, and which of its documents a crawl keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llama_index.core.schema import Document

from rag.sources import Change, Changed, Checkpoint, Record, Removed, Unchanged
from rag.sources.docs.crawling.copies import Original
from rag.sources.docs.crawling.outcomes import Read
from rag.sources.docs.pages.page import EXTRACTION
from rag.sources.removals import refused_removals
from rag.sources.versions import version_metadata
from rag.store.resources import Resource

if TYPE_CHECKING:
    from rag.store.store import Store, Transaction

__all__ = ["PRIVATE_HOSTS", "Inventory"]

#: The key of the cursor for whether the hosts of the configuration have private addresses.
PRIVATE_HOSTS = "private_hosts"

#: A crawl may always remove this many pages, whatever their share of the source.
_FREE_REMOVALS = 10


class Inventory:
    """The pages and documents of one source.

    :param source: the name of the source
    :param version: the version that its pages are about, or a URL pattern with it
    """

    def __init__(self, source: str, store: Store, *, version: str | None = None) -> None:
        self.source = source
        self._version = version
        self.known = store.resources.known(source)
        self.indexed = set(store.documents.hashes(source))
        #: the time of a page's last change that the sitemap gives
        self.lastmods: dict[str, str | None] = {}
        self._kept: set[str] = set()
        #: pages without a document, to be remembered when the crawl ends
        self._noted: dict[str, Resource] = {}
        #: documents whose page is gone, and what to record with their removal when the crawl ends
        self._removals: dict[str, Record] = {}
        self._documents = store.documents
        self._cursor = store.sources.cursor(source)
        self._is_other_version = (self._cursor.get("extraction"), self._cursor.get("version")) != (EXTRACTION, version)
        if self._is_other_version:
            # The pages were read by another version of the program, or as another version of the manual: fetch all of
            # them again. Their links are still good.
            self.known = {
                url: replace(page, etag=None, last_modified=None, lastmod=None, edges=(), cut=())
                for url, page in self.known.items()
            }

    def id_of(self, url: str) -> str:
        """Return the id of the document at an address."""
        return f"{self.source}:{url}"

    def url_of(self, document_id: str) -> str:
        """Return the address of a document."""
        return document_id.removeprefix(f"{self.source}:")

    def is_indexed(self, url: str) -> bool:
        """Return whether the address has a document in the index."""
        return self.id_of(url) in self.indexed

    @property
    def has_documents(self) -> bool:
        """Whether the crawl has found a document."""
        return bool(self._kept)

    def original(self, url: str) -> Original | None:
        """Return the stored document of an address."""
        stored = self._documents.text(self.id_of(url))
        return Original(*stored) if stored else None

    def adopt(self, private_hosts: Mapping[str, bool]) -> Iterator[Change]:
        """Record what holds for all pages, if it is new.

        It is the version of the extraction that reads them, and whether the addresses of the hosts are private.
        """
        cursor = {**self._cursor, "extraction": EXTRACTION, PRIVATE_HOSTS: dict(private_hosts)}
        if self._version is None:
            cursor.pop("version", None)
        else:
            cursor["version"] = self._version
        if cursor != self._cursor:
            pages = list(self.known.values()) if self._is_other_version else []
            yield Checkpoint(partial(_remember, self.source, pages, [], cursor), self.source)

    def current(self, *, is_complete: bool) -> set[str]:
        """Return the addresses of the documents that the site has.

        :param is_complete: whether the crawl has found all pages; otherwise unseen ones are taken to be there
        """
        kept = self._kept if is_complete else (self.indexed - self._removals.keys()) | self._kept
        return {self.url_of(document_id) for document_id in kept}

    def keep(self, url: str) -> str:
        """Keep the document of an address and return its id."""
        document_id = self.id_of(url)
        self._kept.add(document_id)
        return document_id

    def note(self, page: Resource) -> None:
        """Remember a page without a document."""
        self._noted[page.url] = page

    def describe(self, url: str, read: Read, document_id: str | None) -> Resource:
        """Return what to remember of a page.

        :param document_id: the document that holds its text; None if it has none
        """
        lastmod = self.lastmods.get(url)
        return Resource(url, read.etag, read.last_modified, read.page.links, document_id, lastmod)

    def changed(
        self, url: str, read: Read, *, text: str, edges: tuple[int, ...] = (), cut: tuple[int, ...] = ()
    ) -> Changed:
        """Keep the document of a page that was read, and return the change.

        :param text: the text of the page without the blocks that it shares with many others
        :param edges: the blocks at its edges
        :param cut: those that the text lacks
        """
        document_id = self.keep(url)
        document = Document(
            id_=document_id,
            text=text,
            metadata={
                "url": url,
                "title": read.page.title,
                "source": self.source,
                "kind": "page",
                **version_metadata(self._version, url, self.source),
            },
        )
        page = replace(self.describe(url, read, document_id), edges=edges, cut=cut)
        return Changed(document, partial(_put_page, self.source, page))

    def unchanged(self, page: Resource) -> Unchanged:
        """Keep the document of a page that has not changed."""
        is_same = page == self.known[page.url]
        return Unchanged(self.keep(page.url), None if is_same else partial(_put_page, self.source, page))

    def drop(self, url: str, page: Resource | None) -> bool:
        """Note that an address has no document of its own; an indexed one is removed when the crawl ends.

        :param page: what to remember of the address; None to forget it
        :returns: False if the address was known, had no document and is to be forgotten
        """
        document_id = self.id_of(url)
        if page is not None:
            self.note(page)
        if document_id in self.indexed:
            self._removals[document_id] = (
                partial(_put_page, self.source, page) if page else partial(_forget, self.source, [url])
            )
            return True
        return page is not None or url not in self.known

    def finish(
        self,
        start: str,
        seen: set[str],
        *,
        is_complete: bool,
        is_asked_for: Callable[[str], bool],
        most_removed: float,
    ) -> Iterator[Change]:
        """Remove the documents that are gone and remember the pages without one.

        :param start: the address to report if too many documents are gone
        :param seen: the addresses that the crawl has found
        :param is_complete: whether the crawl has found all of them; otherwise unseen documents stay
        :param is_asked_for: whether the configuration includes an address: removing others is the user's intention
        :param most_removed: the share of the documents, 0 to 1, that may be removed
        """
        gone = (self.indexed if is_complete else self._removals.keys()) - self._kept
        notes = [page for url, page in self._noted.items() if self.known.get(url) != page]
        lost = sum(is_asked_for(self.url_of(document_id)) for document_id in gone)
        if lost > max(_FREE_REMOVALS, len(self.indexed) * most_removed):
            finding = f"{lost} of {len(self.indexed)} known pages are deleted or no longer linked"
            yield refused_removals(self.source, start, finding, limit=most_removed)
            # Remember these pages as before, so that the next crawl notices the same.
            notes = [page for page in notes if self.id_of(page.url) not in gone]
            is_complete, gone = False, set()
        forgotten = {url for url in self.known if url not in seen} if is_complete else set()
        for document_id in sorted(gone):
            url = self.url_of(document_id)
            unlinked = partial(_forget, self.source, [url] if url in forgotten else [])
            yield Removed(document_id, self._removals.get(document_id, unlinked))
        left = sorted(url for url in forgotten if self.id_of(url) not in gone)
        if notes or left:
            yield Checkpoint(partial(_remember, self.source, notes, left, None), self.source)


def _put_page(source: str, page: Resource, transaction: Transaction) -> None:
    transaction.resources.put(source, page)


def _forget(source: str, urls: Sequence[str], transaction: Transaction) -> None:
    for url in urls:
        transaction.resources.delete(source, url)


def _remember(
    source: str,
    pages: Sequence[Resource],
    gone: Sequence[str],
    cursor: dict[str, object] | None,
    transaction: Transaction,
) -> None:
    for page in pages:
        transaction.resources.put(source, page)
    _forget(source, gone, transaction)
    if cursor is not None:
        transaction.sources.set_cursor(source, cursor)
