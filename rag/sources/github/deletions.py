"""Deletions: remove threads and comments that GitHub no longer lists, or that the settings no longer include."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rag.sources import Change, Checkpoint, Removed
from rag.sources.github.client import PER_PAGE, Gone, PageRefused, Reply, TooLarge
from rag.sources.github.pending import removal
from rag.sources.github.render import KINDS, document_id
from rag.sources.github.repository import Repository, checked_listing, format_time
from rag.sources.removals import refused_removals
from rag.store.store import Transaction

__all__ = ["LAST_PAGE", "Deletions", "Listed"]

log = logging.getLogger(__name__)

#: A bisection finds the deleted threads of one page of a hundred with log2(pages) requests; a full listing is cheaper
#: than more of them.
_MAX_BISECTIONS = 3
#: Each thread that seems deleted is requested by itself to confirm it, up to this number.
_MAX_CONFIRMED = 10
#: A source with fewer documents may lose any share of them.
_GUARDED_SIZE = 20
_BATCH = 5_000
#: GitHub serves a large listing by page numbers up to 10,000 rows, and replies 422 beyond.
LAST_PAGE = 99


@dataclass(slots=True)
class Listed:
    """The threads and comments in a full listing: a byte for each thread number, eight for each comment."""

    threads: bytearray = field(default_factory=bytearray)
    comments: dict[str, array[int]] = field(default_factory=dict)
    #: the kinds of threads whose listing is complete
    kinds: set[str] = field(default_factory=set)

    def add_thread(self, number: int) -> None:
        """Add a thread."""
        _mark(self.threads, number, 1)

    def has_thread(self, number: int) -> bool:
        """Return whether a thread was listed."""
        return number < len(self.threads) and bool(self.threads[number])


@dataclass(frozen=True, slots=True)
class _End:
    """One end of the listing by creation: its oldest pages ("asc") or its newest ("desc")."""

    direction: Literal["asc", "desc"]
    pages: int
    #: whether it is the whole listing
    is_all: bool = False

    @property
    def etag(self) -> str:
        """Its key among the ETags."""
        return "tail" if self.direction == "asc" else "head"


class Deletions:
    """Finds and removes what GitHub no longer lists.

    :param most_removed: the share of a source's documents, 0 to 1, that one sync may remove; if more are gone, none is
        removed and the sync reports a failure
    :param last_page: the highest page of a listing that GitHub serves by its number
    """

    def __init__(self, repository: Repository, *, most_removed: float, last_page: int = LAST_PAGE) -> None:
        self._last_page = last_page
        self._repository = repository
        self._store = repository.store
        self._name = repository.name
        self._most_removed = most_removed

    # By bisection

    def by_bisection(
        self, etags: Mapping[str, Any], *, total: int | None
    ) -> Generator[Change, None, tuple[bool, dict[str, Any]]]:
        """Remove issues and pull requests that were deleted or moved; one request if there are none.

        All threads on GitHub are staged by now. If one was deleted, all later threads move up in the listing by
        creation, so that its last page differs from the staged threads. Bisection finds the first page that differs.
        If a listing has more than `last_page` pages, only its oldest and its newest pages are compared.

        :param etags: the ETags of the last sync
        :param total: the number of issues and pull requests on GitHub, if known
        :returns: whether so many are gone that a full listing is cheaper, and the ETags for the next sync
        """
        kept = dict(etags)
        for _ in range(_MAX_BISECTIONS):
            count = self._store.github.thread_count(self._name)
            found = self._first_difference(count, kept)
            if found is None:
                return self._is_short(count, total, kept), kept
            end, page, read = found
            gone = [number for number in self._staged_page(end, page, count) if number not in read[page]]
            if len(gone) > _MAX_CONFIRMED:
                break
            if not gone or not all(self._is_gone(number) for number in gone):
                log.info("%s: GitHub's listing by creation has another order than expected", self._name)
                return False, kept
            for number in gone:
                yield from self._remove(number)
            yield Checkpoint(_record_nothing)
            last = read.get(end.pages)
            if end.is_all and last and count - len(gone) == (end.pages - 1) * PER_PAGE + len(last):
                return False, kept
        return True, kept

    def _ends(self, count: int) -> list[_End]:
        pages = -(-count // PER_PAGE)
        if pages <= self._last_page:
            return [_End("asc", pages, is_all=True)] if pages else []
        return [_End("asc", self._last_page), _End("desc", self._last_page)]

    def _first_difference(self, count: int, etags: dict[str, Any]) -> tuple[_End, int, dict[int, list[int]]] | None:
        """Return the end, the number and the pages read of the first page that differs; None if there is none."""
        read: dict[int, list[int]] = {}
        for end in self._ends(count):
            read.clear()
            try:
                if self._ends_as_staged(end, count, read, etags):
                    continue
                return end, self._bisected(end, count, read), read
            except (PageRefused, TooLarge) as error:
                log.info("%s: deletions cannot be found by pages: %s", self._name, error)
        return None

    def _bisected(self, end: _End, count: int, read: dict[int, list[int]]) -> int:
        low, high = 1, end.pages
        while low < high:
            middle = (low + high) // 2
            read[middle] = _numbers(self._page_by_creation(end, middle))
            if read[middle] == self._staged_page(end, middle, count):
                low = middle + 1
            else:
                high = middle
        return high

    def _is_short(self, count: int, total: int | None, etags: dict[str, Any]) -> bool:
        """Return whether a large listing lacks threads in its middle, which no page of its ends can show.

        A difference that a full listing has not explained before is remembered, and is no reason for another one.
        """
        gap = count - (total or count)
        if gap <= 0 or count <= self._last_page * PER_PAGE or etags.get("gap") == gap:
            return False
        etags["gap"] = gap
        return True

    def _remove(self, number: int) -> Iterator[Change]:
        thread = self._store.github.thread(self._name, number)
        if thread and thread.kind:
            yield removal(self._repository, number, thread.kind)
        else:
            yield Checkpoint(lambda transaction: transaction.github.delete_thread(self._name, number))

    def _ends_as_staged(self, end: _End, count: int, read: dict[int, list[int]], etags: dict[str, Any]) -> bool:
        """Return whether the last page of an end holds the staged threads in their order.

        :param read: the numbers on the page are added to it
        :param etags: the ETag of the page is read from it and added to it
        """
        known_page, etag = etags.get(end.etag, (None, None))
        reply = self._page_by_creation(end, end.pages, etag if known_page == end.pages else None)
        if reply.status == 304:
            return True
        read[end.pages] = _numbers(reply)
        as_staged = read[end.pages] == self._staged_page(end, end.pages, count)
        if as_staged and "etag" in reply.headers:
            etags[end.etag] = [end.pages, reply.headers["etag"]]
        return as_staged

    def _page_by_creation(self, end: _End, page: int, etag: str | None = None) -> Reply:
        query: dict[str, str | int] = {"state": "all", "sort": "created", "direction": end.direction}
        path = f"{self._repository.path}/issues"
        query |= {"per_page": PER_PAGE, "page": page}
        return checked_listing(self._repository.client.get(path, query, etag=etag))

    def _staged_page(self, end: _End, page: int, count: int) -> list[int]:
        if end.direction == "asc":
            return self._store.github.by_creation(self._name, offset=(page - 1) * PER_PAGE, limit=PER_PAGE)
        start = max(0, count - page * PER_PAGE)
        limit = count - (page - 1) * PER_PAGE - start
        return self._store.github.by_creation(self._name, offset=start, limit=limit)[::-1]

    def _is_gone(self, number: int) -> bool:
        """Return whether a thread was deleted, made private, or moved to another repository."""
        try:
            row = self._repository.client.get(f"{self._repository.path}/issues/{number}").data
        except Gone:
            return True
        return not str(row["repository_url"]).lower().endswith(self._repository.path.lower())

    # By a full listing

    def unlisted_comments(self, listed: Listed) -> Iterator[Change]:
        """Delete staged comments that are not in a full listing; their threads become pending."""
        since = format_time(self._repository.config.since) or ""
        for kind, ids in listed.comments.items():
            present = np.sort(np.frombuffer(ids, dtype=np.int64)) if ids else np.empty(0, np.int64)
            after = 0
            while staged := self._store.github.comment_ids(self._name, kind, since=since, after=after):
                gone = np.setdiff1d(np.asarray(staged, np.int64), present, assume_unique=True).tolist()
                if gone:
                    yield Checkpoint(self._deleting_comments(kind, gone))
                after = staged[-1]

    def _deleting_comments(self, kind: str, ids: list[int]) -> Callable[[Transaction], None]:
        return lambda transaction: transaction.github.delete_comments(self._name, kind, ids)

    def unlisted_threads(self, listed: Listed, *, guarded: bool) -> Generator[Change, None, bool]:
        """Remove staged threads and indexed documents that are not in a full listing or not in the settings.

        :param guarded: refuse to remove more than the allowed share of documents
        :returns: whether they were removed
        """
        # The kind of each thread that stays, a byte for each number: a discussion must not keep an issue's document.
        kept = bytearray()
        codes = {kind: code for code, kind in enumerate(KINDS, start=1)}
        gone: list[tuple[int, str]] = []
        for number, kind in self._staged():
            if self._is_included(kind) and (kind not in listed.kinds or listed.has_thread(number)):
                _mark(kept, number, codes[kind])
            else:
                gone.append((number, kind))
        code_of_prefix = {document_id(self._name, kind, 0)[:-1]: code for kind, code in codes.items()}
        documents = lost = 0
        orphans: list[str] = []
        leaving = {document_id(self._name, kind, number) for number, kind in gone}
        for document in self._documents():
            documents += 1
            digits = len(document) - len(document.rstrip("0123456789"))
            number = int(document[-digits:]) if digits else 0
            if number < len(kept) and kept[number] and kept[number] == code_of_prefix.get(document[:-digits]):
                continue
            lost += 1
            if document not in leaving:
                orphans.append(document)
        if guarded and documents >= _GUARDED_SIZE and lost > self._most_removed * documents:
            address = f"https://github.com/{self._repository.config.repo}"
            finding = f"{lost} of {documents} documents are no longer listed by GitHub"
            yield refused_removals(self._name, address, finding, limit=self._most_removed)
            return False
        for number, kind in gone:
            yield removal(self._repository, number, kind)
        for orphan in orphans:
            yield Removed(orphan)
        return True

    def _is_included(self, kind: str) -> bool:
        return KINDS[kind] in self._repository.config.include

    def _staged(self) -> Iterator[tuple[int, str]]:
        after = 0
        while threads := self._store.github.numbers(self._name, after=after, limit=_BATCH):
            yield from threads.items()
            after = max(threads)

    def _documents(self) -> Iterator[str]:
        after = ""
        while ids := self._store.documents.ids(self._name, after=after, limit=_BATCH):
            yield from ids
            after = ids[-1]


def _record_nothing(_transaction: Transaction) -> None:
    """Record nothing: a checkpoint with this only commits the changes before it."""


def _numbers(reply: Reply) -> list[int]:
    return [row["number"] for row in reply.data]


def _mark(marks: bytearray, number: int, value: int) -> None:
    if number >= len(marks):
        marks.extend(bytes(number + 1024 - len(marks)))
    marks[number] = value
