"""Compaction: the postings of new chunks, written in the background while more chunks arrive."""

from __future__ import annotations

import functools
from concurrent.futures import Future, ThreadPoolExecutor

from rag.store.index_info import IndexInfo
from rag.store.store import Store

__all__ = ["QUEUED_CHUNKS", "Compaction"]

#: Postings are written each time this number of chunks is queued; a search reads the terms of queued chunks from the
#: chunks themselves, at 10 µs each.
QUEUED_CHUNKS = 2_000


class Compaction:
    """Writes the postings of the new chunks of a source in a thread.

    :raises DatabaseError: from any method, if the database refused the previous write
    """

    def __init__(self, store: Store, index: IndexInfo, source: str) -> None:
        self._write = functools.partial(store.postings.compact, index, source)
        self._thread = ThreadPoolExecutor(1, "compact")
        self._writing: Future[list[int]] | None = None
        #: the chunks whose terms the database refused to pack
        self.refused: set[int] = set()
        self._written = 0
        self._finished = False

    def queued(self, chunks: int) -> None:
        """Report the number of chunks added since the beginning; waits if two writes are due."""
        if chunks - self._written >= QUEUED_CHUNKS:
            self._begin(thorough=False)
            self._written = chunks

    def finish(self) -> None:
        """Begin to write the rest, and to merge the rows of a bulk load."""
        self._begin(thorough=self._written > 0)
        self._finished = True

    def close(self) -> None:
        """Wait until everything that is queued is written."""
        try:
            if not self._finished:
                self.finish()
            self._wait()
        finally:
            self._thread.shutdown()

    def _begin(self, *, thorough: bool) -> None:
        self._wait()
        self._writing = self._thread.submit(self._write, thorough=thorough)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing:
            self.refused |= set(writing.result())
