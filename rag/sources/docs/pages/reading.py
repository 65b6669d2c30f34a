"""Read pages in processes of their own, so that no page takes more than its time, its memory, or the crawl with it.

Two processes are enough for the pages that a crawl fetches. They are started when the first page is read, kept for the
next crawl, and end with the program. They get none of the environment, which holds secrets.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rag.sources.docs.fetching.fetch import Fetched
from rag.sources.docs.pages.page import NotHtmlError, Page
from rag.sources.docs.pages.reader import from_json
from rag.sources.docs.urls import Scope
from rag.sources.markup.process import start_reading

__all__ = ["ReadingError", "read_markdown_within", "read_page_within"]

log = logging.getLogger(__name__)

_PROCESSES = max(1, min(2, os.cpu_count() or 1))


class ReadingError(Exception):
    """A page could not be read: it took too long, or broke the parser."""


class _Reader:
    """One process."""

    def __init__(self) -> None:
        self._process = start_reading("rag.sources.docs.pages.reader")

    def read(self, job: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        """Send a job and return the reply.

        :raises ReadingError: the process has ended, because of the job's limit or the parser
        """
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({**job, "length": len(body)}).encode() + b"\n")
            self._process.stdin.write(body)
            self._process.stdin.flush()
            if line := self._process.stdout.readline():
                reply: dict[str, Any] = json.loads(line)
                return reply
        ended = self.close()  # again when it is given back, which does nothing
        if ended in (-signal.SIGPROF, -signal.SIGKILL):
            raise ReadingError(f"reading it took more than {job['limit']:g} s")
        raise ReadingError(f"the parser has ended with status {ended}")

    def close(self) -> int:
        """End the process and return its status."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=1.0)
        self._process.kill()
        return self._process.wait()


class _Readers:
    """The processes that are free, and the number of those that may still be started."""

    def __init__(self) -> None:
        self._free: queue.LifoQueue[_Reader | None] = queue.LifoQueue()
        for _ in range(_PROCESSES):
            self._free.put(None)

    @contextmanager
    def one(self) -> Iterator[_Reader]:
        """Lend a process; one that fails is replaced when the next is needed."""
        reader = self._free.get() or _Reader()
        kept: _Reader | None = None
        try:
            yield reader
            kept = reader
        finally:
            if kept is None:
                reader.close()
            self._free.put(kept)

    def close(self) -> None:
        """End the processes that are free."""
        with suppress(queue.Empty):
            while True:
                if reader := self._free.get_nowait():
                    reader.close()


_lock = threading.Lock()
_readers: _Readers | None = None


def _shared() -> _Readers:
    global _readers
    with _lock:
        if _readers is None:
            _readers = _Readers()
            atexit.register(_readers.close)
        return _readers


def read_page_within(response: Fetched, scope: Scope, *, seconds: float) -> Page | None:
    """Read a response as a page; None if it is not a page.

    :param scope: decides which links are followed
    :param seconds: the processor time that it may take
    :raises NotHtmlError: the body is not what its type says
    :raises ReadingError: it takes too long, or breaks the parser
    """
    reply = _ask(
        {
            "as": "page",
            "url": response.url,
            "content_type": response.content_type,
            "charset": response.charset,
            "robots": "\n".join(response.headers.get_list("x-robots-tag")),
            "start": scope.start,
            "include": list(scope.include),
            "exclude": list(scope.exclude),
            "limit": seconds,
        },
        response.body,
    )
    if "not_html" in reply:
        raise NotHtmlError(reply["not_html"])
    return from_json(reply["page"]) if reply["page"] else None


def read_markdown_within(source: str, *, seconds: float) -> str:
    """Return a Markdown file in the form that documents have.

    :param seconds: the processor time that it may take
    :raises ReadingError: it takes too long, or breaks the parser
    """
    markdown: str = _ask({"as": "markdown", "limit": seconds}, source.encode("utf-8", "replace"))["markdown"]
    return markdown


def _ask(job: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    with _shared().one() as reader:
        reply = reader.read(job, body)
    if "broken" in reply:
        log.error("%s could not be read:\n%s", job.get("url", "A Markdown page"), reply["traceback"])
        raise ReadingError(f"it could not be read ({reply['broken']})")
    return reply
