"""Crawl a docs site: decide what to fetch, and what each response means for the index."""

from __future__ import annotations

import hashlib
import logging
import queue
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from llama_index.core.schema import Document

from rag.errors import SourceError, SourceUnavailable
from rag.models import Page as KnownPage
from rag.settings import DocsConfig
from rag.sources import MOST_REMOVED, Change, Changed, Checkpoint, Failed, Record, Removed, Unchanged
from rag.sources.docs.alternate import MARKDOWN_TYPES, Alternates, markdown_links
from rag.sources.docs.fetch import Fetched, Fetcher, FetchError, Limits
from rag.sources.docs.page import EXTRACTION, NotHtmlError, Page, decode, read_page
from rag.sources.docs.robots import Robots, read_robots
from rag.sources.docs.sitemap import SitemapError, list_pages
from rag.sources.docs.urls import Scope, may_be_page, normalise, twins
from rag.sources.markup.markdown import read_markdown

if TYPE_CHECKING:
    from rag.store.store import Store, Transaction

__all__ = ["DocsSource"]

log = logging.getLogger(__name__)

_HTML = frozenset({"text/html", "application/xhtml+xml", "application/xml", "text/xml", ""})
_REDIRECTS = 10
# So many different query strings of one path are followed: beyond it is a calendar or a search form.
_MOST_VARIANTS = 50
# So many pages in a row that fail for want of a server are an outage.
_OUTAGE = 20
# So few pages may go at once, whatever share of the source they are.
_FEW_PAGES = 10


@dataclass(frozen=True, slots=True)
class _Read:
    """A page that was fetched and read."""

    page: Page
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class _NotModified:
    """The known copy is still right."""


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A redirect; `url` is absolute and normalised."""

    url: str


@dataclass(frozen=True, slots=True)
class _NoPage:
    """There is nothing to index: gone, or of another type. `reason` completes "URL …"."""

    reason: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class _Failure:
    """It could not be read."""

    error: str
    transient: bool


_Outcome = _Read | _NotModified | _Elsewhere | _NoPage | _Failure


class DocsSource:
    """The pages of a docs site, under the folder of its start address.

    :param transport: an httpx transport to use instead of the network
    :param limits: what the crawl may cost
    :param most_removed: the share of the source's documents, 0 to 1, that one crawl may remove; beyond it nothing is
        removed and the crawl says so
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
        self.requests = 0
        self._most_removed = most_removed
        self._config = config
        self._store = store
        self._transport = transport
        self._limits = limits or Limits()

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Crawl the site and yield what changed; pages are fetched as the consumer takes them, not ahead.

        :param full: ask for every page anew
        :raises SourceUnavailable: the site cannot be reached, or stops answering
        :raises SourceError: the start page is refused, missing or no HTML
        """
        hosts = {urlsplit(url).hostname or "" for url in (self._config.url, self._config.sitemap) if url}
        with Fetcher(trusted=hosts, limits=self._limits, transport=self._transport) as fetcher:
            fetcher.slow_down(self._config.delay)
            crawl = _Crawl(self._config, self._store, fetcher, full=full, most_removed=self._most_removed)
            try:
                for change in crawl.run():
                    self.requests = fetcher.requests
                    yield change
            finally:
                self.requests = fetcher.requests


@dataclass(slots=True)
class _Held:
    """A page that says another address is its canonical one; it waits for what that turns out to be.

    `read` is None where the server said that nothing changed.
    """

    url: str
    read: _Read | None


@dataclass
class _Crawl:
    """One crawl of one site."""

    config: DocsConfig
    store: Store
    fetcher: Fetcher
    full: bool
    most_removed: float
    robots: Robots = field(default_factory=Robots)
    waiting: deque[str] = field(default_factory=deque)
    seen: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    #: what each finished address turned out to be: the digest of its document, or None where it has none
    settled: dict[str, str | None] = field(default_factory=dict)
    held: dict[str, list[_Held]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    #: how many redirects led to an address
    hops: dict[str, int] = field(default_factory=dict)
    #: addresses to fetch whatever the server said of them before
    anew: set[str] = field(default_factory=set)
    #: addresses that are documents of their own whatever they call canonical
    own: set[str] = field(default_factory=set)
    variants: dict[str, int] = field(default_factory=dict)
    #: what to remember of addresses without a document; written at the end
    notes: dict[str, KnownPage] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    #: documents whose page is none any more, and how to remember that; they go at the end, when all is known
    leaving: dict[str, Record] = field(default_factory=dict)
    #: what the sitemap says of a page's last change
    lastmods: dict[str, str | None] = field(default_factory=dict)
    fetched: int = 0
    failures_in_a_row: int = 0
    whole: bool = True

    def __post_init__(self) -> None:
        self.name = self.config.name
        start = normalise(self.config.url)
        if start is None:
            raise SourceError(f"{self.config.url} is not a valid address; correct url of {self.name}.")
        self.scope = Scope(start, self.config.include, self.config.exclude)
        self.known = self.store.pages(self.name)
        self.indexed = set(self.store.document_hashes(self.name))
        self.alternates = Alternates(
            self.fetcher, lambda url: urlsplit(url).hostname == self.scope.host and self.robots.allows(url)
        )
        cursor = self.store.cursor(self.name)
        self.outdated: dict[str, object] | None = None
        if cursor.get("extraction") != EXTRACTION:
            # Another version read the pages: all are to be sent again, though their links still hold.
            self.outdated = {**cursor, "extraction": EXTRACTION}
            self.known = {
                url: replace(page, etag=None, last_modified=None, lastmod=None) for url, page in self.known.items()
            }

    # The course of a crawl

    def run(self) -> Iterator[Change]:
        try:
            self.robots = read_robots(self.scope.start, self.fetcher)
        except FetchError as error:
            raise self._start_failure(self.scope.start, _Failure(str(error), error.transient)) from error
        self.fetcher.slow_down(self.robots.delay)
        if self.config.sitemap:
            yield from self._list(self.config.sitemap)
        else:
            yield from self._open(self.scope.start)
        if self.outdated:
            yield Checkpoint(partial(_remember, self.name, list(self.known.values()), [], self.outdated))
        yield from self._follow()
        yield from self._finish()

    def _list(self, sitemap: str) -> Iterator[Change]:
        listed = 0
        try:
            for found in list_pages(sitemap, self.fetcher):
                if isinstance(found, SitemapError):
                    self.whole = False
                    yield Failed(found.url, str(found))
                    continue
                listed += 1
                url = normalise(found.url)
                url = self.scope.place(url) if url else None
                if url:
                    self.lastmods[url] = found.lastmod
                    self._enqueue(url)
        except SitemapError as error:
            kind = SourceUnavailable if error.transient else SourceError
            raise kind(f"The sitemap {error.url} cannot be read: {error}. Check sitemap of {self.name}.") from error
        if not self.seen:
            raise SourceError(
                f"The sitemap {sitemap} lists {listed} pages, none of them to crawl under the folder of "
                f"{self.config.url}. Check url, include and exclude of {self.name}."
            )

    def _open(self, url: str) -> Iterator[Change]:
        """Fetch the start page, and find where it redirects to, before anything else."""
        for _ in range(_REDIRECTS):
            if not self.robots.allows(url):
                raise SourceError(f"robots.txt of {self.scope.host} does not let {url} be crawled; nothing was read.")
            self.seen.add(url)
            outcome = self._visit(url)
            self.fetched += 1
            if not isinstance(outcome, _Elsewhere):
                break
            target = self._moved_start(url, outcome.url)
            yield from self._handle(url, _Elsewhere(target))
            if target not in self.waiting:
                raise SourceError(f"{self.config.url} redirects in a circle; open it in a browser and correct url.")
            self.waiting.remove(target)
            url = target
        else:
            raise SourceError(f"{self.config.url} redirects more than {_REDIRECTS} times.")
        if isinstance(outcome, _Failure | _NoPage):
            raise self._start_failure(url, outcome)
        yield from self._handle(url, outcome)

    def _moved_start(self, url: str, target: str) -> str:
        """Return where the start page moved to; http to https, and a folder's missing slash, move the folder along."""
        placed = self.scope.place(target)
        if target == f"{url}/" or (placed and placed != target):
            self.scope = Scope(target, self.config.include, self.config.exclude)
            return target
        if placed:
            return placed
        raise SourceError(
            f"{url} redirects to {target}, which is outside of its folder; if that is the site, set url of "
            f"{self.name} to it."
        )

    def _start_failure(self, url: str, outcome: _Failure | _NoPage) -> SourceError:
        if isinstance(outcome, _Failure):
            if outcome.transient:
                return SourceUnavailable(f"{url} cannot be reached: {outcome.error}. Try again later.")
            return SourceError(f"{url} cannot be read: {outcome.error}. Check url of {self.name}.")
        return SourceError(f"{url} {outcome.reason}. Check url of {self.name}.")

    def _follow(self) -> Iterator[Change]:
        """Visit what is waiting, a few pages ahead of the consumer."""
        workers = self.fetcher.limits.concurrency
        done: queue.SimpleQueue[Future[_Outcome]] = queue.SimpleQueue()
        busy: dict[Future[_Outcome], str] = {}
        with ThreadPoolExecutor(workers, thread_name_prefix="crawl") as pool:
            try:
                while True:
                    while self.waiting and len(busy) < workers * 2 and self.fetched < self.config.max_pages:
                        url = self.waiting.popleft()
                        self.fetched += 1
                        future = pool.submit(self._visit, url)
                        busy[future] = url
                        future.add_done_callback(done.put)
                    if busy:
                        future = done.get()
                        yield from self._handle(busy.pop(future), future.result())
                    elif self.waiting and self.fetched >= self.config.max_pages:
                        self._stop_at_limit()
                        break
                    elif not self._release_one():
                        break
            finally:
                self.fetcher.close()
                pool.shutdown(cancel_futures=True)
        while self.held:
            for url in list(self.held):
                for held in self.held.pop(url):
                    if held.read:
                        yield from self._document(held.url, held.read)

    def _stop_at_limit(self) -> None:
        self.whole = False
        log.warning(
            "%s: stopped at max_pages = %d with %d links left; raise max_pages, or narrow include",
            self.name,
            self.config.max_pages,
            len(self.waiting),
        )

    def _finish(self) -> Iterator[Change]:
        """Remove what is gone, if the crawl saw all there is, and remember the rest."""
        gone = (self.indexed if self.whole else self.leaving.keys()) - self.kept
        notes = [page for url, page in self.notes.items() if self.known.get(url) != page]
        # What url, include and exclude no longer ask for, the user has taken out.
        lost = [document_id for document_id in gone if self._is_asked_for(document_id.removeprefix(f"{self.name}:"))]
        if len(lost) > max(_FEW_PAGES, len(self.indexed) * self.most_removed):
            yield Failed(
                self.config.url,
                f"{len(lost)} of {len(self.indexed)} known pages are gone or no longer linked. That is more than "
                f"{self.most_removed:.0%}, so none was removed. If they are really gone, run: "
                f"python -m flows.ingest {self.name} --full --accept-removals",
            )
            # As they were known, so that the next crawl finds the same.
            notes = [page for page in notes if self._id(page.url) not in gone]
            self.whole, gone = False, set()
        forgotten = [url for url in self.known if url not in self.seen] if self.whole else []
        prefix = f"{self.name}:"
        for document_id in sorted(gone):
            url = document_id.removeprefix(prefix)
            unlinked = partial(_forget, self.name, [url] if url in forgotten else [])
            yield Removed(document_id, self.leaving.get(document_id, unlinked))
        left = [url for url in forgotten if f"{prefix}{url}" not in gone]
        if notes or left:
            yield Checkpoint(partial(_remember, self.name, notes, left, None))

    def _is_asked_for(self, url: str) -> bool:
        place = self.scope.place(url)
        return place is not None and self.scope.wants(place)

    # Fetching, in a worker thread

    def _visit(self, url: str) -> _Outcome:
        known = self.known.get(url) if not self.full and url not in self.anew else None
        if known and known.document_id and known.document_id not in self.indexed:
            known = None
        if known and known.lastmod and known.lastmod == self.lastmods.get(url):
            return _NotModified()
        try:
            response = self.fetcher.get(
                url,
                etag=known.etag if known else None,
                last_modified=known.last_modified if known else None,
            )
            return self._understand(url, response)
        except FetchError as error:
            return _Failure(str(error), error.transient)
        except NotHtmlError as error:
            return _Failure(str(error), transient=False)
        except Exception as error:
            # Pages come from anywhere: one that trips the reader over must not cost the others.
            log.exception("%s could not be read", url)
            return _Failure(f"it could not be read ({type(error).__name__})", transient=False)

    def _understand(self, url: str, response: Fetched) -> _Outcome:
        status = response.status
        if status == 304:
            return _NotModified()
        if status in (301, 302, 303, 307, 308):
            target = normalise(response.headers.get("location", ""), url)
            if target is None:
                return _Failure("it redirects to no valid address", transient=False)
            return _Elsewhere(target)
        if status in (404, 410):
            return _NoPage(f"does not exist (the server answers {status})", status)
        if status != 200:
            kind = "asks for a login" if status in (401, 407) else "is refused" if status == 403 else "cannot be read"
            return _Failure(f"it {kind} (the server answers {status})", transient=False)
        content_type = response.content_type
        if content_type in _HTML:
            page = read_page(
                response.body,
                url=url,
                charset=response.charset,
                robots=response.headers.get("x-robots-tag", ""),
                link=self.scope.link,
            )
            page = self.alternates.better(url, page)
        elif content_type in MARKDOWN_TYPES:
            page = _markdown_page(response, url, self.scope)
        else:
            return _NoPage(f"is {content_type}, not an HTML page")
        return _Read(page, response.headers.get("etag"), response.headers.get("last-modified"))

    # What a response means

    def _handle(self, url: str, outcome: _Outcome) -> Iterator[Change]:
        if isinstance(outcome, _Failure):
            yield from self._failed(url, outcome)
        else:
            self.failures_in_a_row = 0
        if isinstance(outcome, _Read):
            yield from self._read(url, outcome)
        elif isinstance(outcome, _NotModified):
            yield from self._unmodified(url)
        elif isinstance(outcome, _Elsewhere):
            yield from self._redirected(url, outcome.url)
        elif isinstance(outcome, _NoPage):
            yield from self._nothing(url, KnownPage(url) if outcome.status == 200 else None)

    def _failed(self, url: str, failure: _Failure) -> Iterator[Change]:
        document_id = self._id(url)
        known = document_id in self.indexed
        self.kept.add(document_id)
        if failure.transient:
            self.whole = False
            self.failures_in_a_row += 1
            if self.failures_in_a_row >= _OUTAGE:
                raise SourceUnavailable(
                    f"{self.scope.host} stopped answering: {self.failures_in_a_row} pages in a row failed, the last "
                    f"because {failure.error}. What was read is kept; try again later."
                )
        yield Failed(url, failure.error, document_id if known else None)
        # What lies behind it is reached as it was the last time.
        if page := self.known.get(url):
            self._enqueue_all(page.links)
        yield from self._settle(url, None)

    def _unmodified(self, url: str) -> Iterator[Change]:
        page = replace(self.known[url], lastmod=self.lastmods.get(url))
        self._enqueue_all(page.links)
        if page.document_id == self._id(url):
            self.kept.add(page.document_id)
            moved = partial(_put_page, self.name, page) if page != self.known[url] else None
            yield Unchanged(page.document_id, moved)
            yield from self._settle(url, page.document_id)
        elif page.document_id:
            yield from self._hold(page.document_id.removeprefix(f"{self.name}:"), _Held(url, None))
        else:
            self.notes[url] = page
            yield from self._settle(url, None)

    def _redirected(self, url: str, target: str) -> Iterator[Change]:
        placed = self.scope.place(target)
        self.redirects[url] = placed or target
        hops = self.hops.get(url, 0) + 1
        if hops > _REDIRECTS or self._is_circle(url):
            how = f"more than {_REDIRECTS} times" if hops > _REDIRECTS else "in a circle"
            yield from self._failed(url, _Failure(f"it redirects {how}", transient=False))
            return
        if placed:
            self.hops.setdefault(placed, hops)
            self._enqueue(placed)
        yield from self._nothing(url, KnownPage(url, links=(placed,) if placed else ()))

    def _is_circle(self, url: str) -> bool:
        step = self.redirects.get(url)
        for _ in range(_REDIRECTS):
            if step is None or step == url:
                break
            step = self.redirects.get(step)
        return step == url

    def _read(self, url: str, read: _Read) -> Iterator[Change]:
        page = read.page
        self.apart.update(page.apart)
        if self.config.sitemap is None:
            self._enqueue_all(page.links)
        refresh = self.scope.place(page.refresh) if page.refresh else None
        if refresh and refresh != url and len(page.text) < 500:
            yield from self._redirected(url, refresh)
            return
        wanted = url == self.scope.start or url not in self.apart
        if page.noindex or not wanted or not self.scope.wants(url) or not page.text.strip():
            yield from self._nothing(url, self._record(url, read, None))
            return
        canonical = self._canonical(url, page)
        if canonical and url not in self.own:
            yield from self._hold(canonical, _Held(url, read))
        else:
            yield from self._document(url, read)

    def _canonical(self, url: str, page: Page) -> str | None:
        """Return the other address that a page is rather to be known by, if there is a sign of one."""
        if page.canonical:
            placed = self.scope.place(page.canonical)
            if placed and placed != url and self.scope.wants(placed) and self.robots.allows(placed):
                return placed
            if placed == url:
                return None
        if self._id(url) in self.indexed:
            return None
        return next((twin for twin in twins(url) if twin in self.seen), None)

    def _hold(self, canonical: str, held: _Held) -> Iterator[Change]:
        """Let a page wait for its canonical address, or judge at once if that is known."""
        if canonical in self.settled:
            yield from self._judge(canonical, held)
            return
        self.held.setdefault(canonical, []).append(held)
        self._enqueue(canonical, first=True)

    def _judge(self, canonical: str, held: _Held) -> Iterator[Change]:
        """Decide whether a page is a copy of its canonical address's document, or a document of its own."""
        digest = self.settled[canonical]
        url = held.url
        if held.read is None:
            if digest is not None:
                self.notes[url] = self.known[url]
                yield from self._settle(url, None)
            else:
                self._again(url)
            return
        claimed = held.read.page.canonical is not None and self.scope.place(held.read.page.canonical) == canonical
        same = digest is not None and (claimed or digest == _digest(held.read.page))
        if same:
            yield from self._nothing(url, self._record(url, held.read, self._id(canonical)))
        else:
            yield from self._document(url, held.read)

    def _again(self, url: str) -> None:
        self.anew.add(url)
        self.own.add(url)
        self.waiting.appendleft(url)

    def _release_one(self) -> bool:
        """Break a tie of pages that wait for each other; return whether there was one."""
        for canonical, waiting in self.held.items():
            self.settled.setdefault(canonical, None)
            del self.held[canonical]
            for held in waiting:
                self._again(held.url)
            return True
        return False

    def _document(self, url: str, read: _Read) -> Iterator[Change]:
        page = read.page
        document_id = self._id(url)
        self.kept.add(document_id)
        document = Document(
            id_=document_id,
            text=page.text,
            metadata={"url": url, "title": page.title, "source": self.name, "kind": "page"},
        )
        yield Changed(document, partial(_put_page, self.name, self._record(url, read, document_id)))
        yield from self._settle(url, _digest(page))

    def _nothing(self, url: str, page: KnownPage | None) -> Iterator[Change]:
        """Note that an address has no document; None forgets it."""
        document_id = self._id(url)
        if page is not None:
            self.notes[url] = page
        if document_id in self.indexed:
            self.leaving[document_id] = (
                partial(_put_page, self.name, page) if page else partial(_forget, self.name, [url])
            )
        elif page is None and url in self.known:
            self.seen.discard(url)
        yield from self._settle(url, None)

    def _settle(self, url: str, digest: str | None) -> Iterator[Change]:
        self.settled[url] = digest
        for held in self.held.pop(url, []):
            yield from self._judge(url, held)

    def _record(self, url: str, read: _Read, document_id: str | None) -> KnownPage:
        links = read.page.links
        return KnownPage(url, read.etag, read.last_modified, links, document_id, self.lastmods.get(url))

    def _id(self, url: str) -> str:
        return f"{self.name}:{url}"

    # The frontier

    def _enqueue_all(self, links: tuple[str, ...]) -> None:
        if self.config.sitemap is None:
            for link in links:
                self._enqueue(link)

    def _enqueue(self, url: str, *, first: bool = False) -> None:
        if url in self.seen:
            return
        path, _, query = url.partition("?")
        if not may_be_page(path) or not self.scope.wants(url) or not self.robots.allows(url):
            return
        if query:
            count = self.variants[path] = self.variants.get(path, 0) + 1
            if count > _MOST_VARIANTS:
                if count == _MOST_VARIANTS + 1:
                    log.warning(
                        "%s: %s has more than %d variants; the others are left out", self.name, path, _MOST_VARIANTS
                    )
                return
        self.seen.add(url)
        if first:
            self.waiting.appendleft(url)
        else:
            self.waiting.append(url)


def _markdown_page(response: Fetched, url: str, scope: Scope) -> Page:
    """Read a page that there is as Markdown only; whoever shows it gives its headings no anchors."""
    source = decode(response.body, response.charset)
    text = read_markdown(source)
    links = dict.fromkeys(place for href in markdown_links(source) if (place := scope.link(href, url)))
    links.pop(url, None)
    heading = re.search(r"^# (.*?)(?: \{#[^\s{}]+\})?$", text.markdown, re.MULTILINE)
    title = (heading[1] if heading else text.title) or url.rstrip("/").rpartition("/")[2]
    lines = re.sub(r"^(#{1,6} .*?) \{#[^\s{}]+\}$", r"\1", text.markdown, flags=re.MULTILINE)
    return Page(title, lines, tuple(links), None, None, noindex=False, fragments=frozenset())


def _digest(page: Page) -> str:
    return hashlib.sha256(f"{page.title}\0{page.text}".encode("utf-8", "replace")).hexdigest()


def _put_page(source: str, page: KnownPage, transaction: Transaction) -> None:
    transaction.put_page(source, page)


def _forget(source: str, urls: list[str], transaction: Transaction) -> None:
    for url in urls:
        transaction.delete_page(source, url)


def _remember(
    source: str, pages: list[KnownPage], gone: list[str], cursor: dict[str, object] | None, transaction: Transaction
) -> None:
    for page in pages:
        transaction.put_page(source, page)
    _forget(source, gone, transaction)
    if cursor is not None:
        transaction.set_cursor(source, cursor)
