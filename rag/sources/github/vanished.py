"""What is staged or indexed and no longer on GitHub: deleted, made private, moved, or not asked for any more."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rag.sources import Change, Checkpoint, Failed, Removed
from rag.sources.github.client import PER_PAGE, Gone, Reply
from rag.sources.github.pending import removed
from rag.sources.github.render import KINDS, document_id
from rag.sources.github.repository import Repository, iso, listing
from rag.store.store import Transaction

__all__ = ["Listed", "Remainder"]

log = logging.getLogger(__name__)

#: One finds the threads that are gone from one page of a hundred, for log2(pages) requests; more are not worth it.
_BISECTIONS = 3
#: Each thread that seems to be gone is asked for by itself, up to so many at once.
_MOST_CONFIRMED = 10
#: A source of fewer documents may lose any share of them.
_GUARD_FROM = 20
_AT_ONCE = 5_000


@dataclass(slots=True)
class Listed:
    """What a full listing has shown: a byte for each thread number, eight for each comment."""

    threads: bytearray = field(default_factory=bytearray)
    comments: dict[str, array[int]] = field(default_factory=dict)
    #: the kinds of threads whose listing came to its end
    kinds: set[str] = field(default_factory=set)

    def add_thread(self, number: int) -> None:
        """Note a thread."""
        _mark(self.threads, number, 1)

    def has_thread(self, number: int) -> bool:
        """Tell whether a thread was listed."""
        return number < len(self.threads) and bool(self.threads[number])


class Remainder:
    """Finds and removes what GitHub no longer has.

    :param most_removed: the share of a source's documents, 0 to 1, that one sync may remove; beyond it nothing is
        removed and the sync says so
    """

    def __init__(self, repository: Repository, *, most_removed: float) -> None:
        self._repository = repository
        self._store = repository.store
        self._name = repository.name
        self._most_removed = most_removed

    # One by one

    def few(self, etags: Mapping[str, Any]) -> Generator[Change, None, tuple[bool, dict[str, Any]]]:
        """Find issues and pull requests that were deleted or moved, for one request where there are none.

        All that GitHub has is staged by now. In the listing by creation the last page holds what it should, unless
        something before it is gone and all behind that moved up; where, is found by bisection.

        :param etags: what was kept of the last time
        :returns: whether so much is gone that a full listing is cheaper, and what to keep for the next time
        """
        kept = dict(etags)
        for _ in range(_BISECTIONS):
            count = self._store.github_thread_count(self._name)
            pages = -(-count // PER_PAGE)
            read: dict[int, list[int]] = {}
            if pages == 0 or self._ends_as_staged(pages, read, kept):
                return False, kept
            low, high = 1, pages
            while low < high:
                middle = (low + high) // 2
                read[middle] = _numbers(self._page_by_creation(middle))
                if read[middle] == self._staged_page(middle):
                    low = middle + 1
                else:
                    high = middle
            gone = [number for number in self._staged_page(high) if number not in read[high]]
            if len(gone) > _MOST_CONFIRMED:
                break
            if not gone or not all(self._is_gone(number) for number in gone):
                log.info("%s: GitHub's listing by creation has another order than expected", self._name)
                return False, kept
            for number in gone:
                yield from self._removal(number)
            yield Checkpoint(_nothing)
            if read[pages] and count - len(gone) == (pages - 1) * PER_PAGE + len(read[pages]):
                return False, kept
        return True, kept

    def _removal(self, number: int) -> Iterator[Change]:
        thread = self._store.github_thread(self._name, number)
        if thread and thread.kind:
            yield removed(self._repository, number, thread.kind)
        else:
            yield Checkpoint(lambda transaction: transaction.delete_github_thread(self._name, number))

    def _ends_as_staged(self, page: int, read: dict[int, list[int]], etags: dict[str, Any]) -> bool:
        """Tell whether the last page of the listing by creation has the staged threads in their order.

        :param read: takes up the numbers on that page
        """
        known_page, etag = etags.get("tail", (None, None))
        reply = self._page_by_creation(page, etag if known_page == page else None)
        if reply.status == 304:
            return True
        read[page] = _numbers(reply)
        as_staged = read[page] == self._staged_page(page)
        if as_staged and "etag" in reply.headers:
            etags["tail"] = [page, reply.headers["etag"]]
        return as_staged

    def _page_by_creation(self, page: int, etag: str | None = None) -> Reply:
        query: dict[str, str | int] = {"state": "all", "sort": "created", "direction": "asc", "per_page": PER_PAGE}
        path = f"{self._repository.path}/issues"
        return listing(self._repository.client.get(path, {**query, "page": page}, etag=etag))

    def _staged_page(self, page: int) -> list[int]:
        return self._store.github_threads_by_creation(self._name, offset=(page - 1) * PER_PAGE, limit=PER_PAGE)

    def _is_gone(self, number: int) -> bool:
        """Tell whether a thread was deleted, made private, or moved to another repository."""
        try:
            row = self._repository.client.get(f"{self._repository.path}/issues/{number}").data
        except Gone:
            return True
        return not str(row["repository_url"]).lower().endswith(self._repository.path.lower())

    # By what was listed

    def unlisted_comments(self, listed: Listed) -> Iterator[Change]:
        """Forget staged comments that a full listing did not show; their threads become pending."""
        since = iso(self._repository.config.since) or ""
        for kind, ids in listed.comments.items():
            present = np.sort(np.frombuffer(ids, dtype=np.int64)) if ids else np.empty(0, np.int64)
            after = 0
            while staged := self._store.github_comment_ids(self._name, kind, since=since, after=after):
                gone = np.setdiff1d(np.asarray(staged, np.int64), present, assume_unique=True).tolist()
                if gone:
                    yield Checkpoint(self._forgetting(kind, gone))
                after = staged[-1]

    def _forgetting(self, kind: str, ids: list[int]) -> Callable[[Transaction], None]:
        return lambda transaction: transaction.delete_github_comments(self._name, kind, ids)

    def unlisted_threads(self, listed: Listed, *, guarded: bool) -> Generator[Change, None, bool]:
        """Yield what is indexed or staged, and neither listed nor asked for any more.

        :returns: whether it was removed
        """
        # A byte a thread: what stays. Numbers alone would do for REST, but a discussion may not keep an issue's page.
        kept = bytearray()
        codes = {kind: code for code, kind in enumerate(KINDS, start=1)}
        gone: list[tuple[int, str]] = []
        for number, kind in self._staged():
            if self._is_asked_for(kind) and (kind not in listed.kinds or listed.has_thread(number)):
                _mark(kept, number, codes[kind])
            else:
                gone.append((number, kind))
        places = {document_id(self._name, kind, 0)[:-1]: code for kind, code in codes.items()}
        documents = lost = 0
        orphans: list[str] = []
        leaving = {document_id(self._name, kind, number) for number, kind in gone}
        for document in self._documents():
            documents += 1
            digits = len(document) - len(document.rstrip("0123456789"))
            number = int(document[-digits:]) if digits else 0
            if number < len(kept) and kept[number] and kept[number] == places.get(document[:-digits]):
                continue
            lost += 1
            if document not in leaving:
                orphans.append(document)
        if guarded and documents >= _GUARD_FROM and lost > self._most_removed * documents:
            yield Failed(
                f"https://github.com/{self._repository.config.repo}",
                f"{lost} of {documents} documents are no longer listed by GitHub. That is more than "
                f"{self._most_removed:.0%}, so none was removed. If they are really gone, run: "
                f"python -m flows.ingest {self._name} --full --accept-removals",
            )
            return False
        for number, kind in gone:
            yield removed(self._repository, number, kind)
        for orphan in orphans:
            yield Removed(orphan)
        return True

    def _is_asked_for(self, kind: str) -> bool:
        return KINDS[kind] in self._repository.config.include

    def _staged(self) -> Iterator[tuple[int, str]]:
        after = 0
        while threads := self._store.github_thread_numbers(self._name, after=after, limit=_AT_ONCE):
            yield from threads.items()
            after = max(threads)

    def _documents(self) -> Iterator[str]:
        after = ""
        while ids := self._store.document_ids(self._name, after=after, limit=_AT_ONCE):
            yield from ids
            after = ids[-1]


def _nothing(_transaction: Transaction) -> None:
    """Record nothing: a checkpoint with this only waits until all before it is committed."""


def _numbers(reply: Reply) -> list[int]:
    return [row["number"] for row in reply.data]


def _mark(marks: bytearray, number: int, value: int) -> None:
    if number >= len(marks):
        marks.extend(bytes(number + 1024 - len(marks)))
    marks[number] = value
