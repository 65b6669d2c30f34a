"""A process that reads pages: `python -m rag.sources.docs.pages.reader`, started by `rag.sources.docs.pages.reading`.

It reads jobs from its standard input and writes replies to its standard output until the input ends. Both are a line of
JSON; a body follows its job. The system ends the process when a job takes more processor time than it may, whatever the
parser is doing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any, BinaryIO

from rag.sources.docs.pages.formats import read_body
from rag.sources.docs.pages.page import NotHtmlError, Page
from rag.sources.docs.urls import Scope
from rag.sources.markup.markdown import read_markdown

__all__ = ["from_json", "main"]

#: The memory that the process may take, in bytes; a page of 10 MB takes a tenth of it.
_MEMORY = 4_000_000_000
_TUPLES = frozenset({"links", "index_pages"})


def main(jobs: BinaryIO, replies: BinaryIO) -> None:
    """Read pages until there are no more jobs."""
    _limit_memory()
    while line := jobs.readline():
        job = json.loads(line)
        body = jobs.read(job["length"])
        signal.setitimer(signal.ITIMER_PROF, job["limit"])
        reply = _reply(job, body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


def _reply(job: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return what a body holds: a page, nothing, or the reason why it could not be read."""
    try:
        if job["as"] == "markdown":
            return {"markdown": read_markdown(body.decode()).markdown}
        page = read_body(
            body,
            url=job["url"],
            content_type=job["content_type"],
            charset=job["charset"],
            robots=job["robots"],
            scope=_scope(job["start"], tuple(job["include"]), tuple(job["exclude"])),
        )
    except NotHtmlError as error:
        return {"not_html": str(error)}
    except MemoryError:
        return {"broken": "MemoryError", "traceback": ""}
    except Exception as error:  # noqa: BLE001 - pages come from anywhere; the crawl reports it
        return {"broken": type(error).__name__, "traceback": traceback.format_exc()}
    return {"page": None if page is None else asdict(page) | {"fragments": sorted(page.fragments)}}


@lru_cache(maxsize=16)
def _scope(start: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> Scope:
    return Scope(start, include, exclude)


def from_json(page: dict[str, Any]) -> Page:
    """Return a page from a reply."""
    values = {field.name: page[field.name] for field in fields(Page)}
    values |= {name: tuple(values[name]) for name in _TUPLES} | {"fragments": frozenset(values["fragments"])}
    return Page(**values)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the crawl ends the process
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)  # what a parser prints is no reply
        main(sys.stdin.buffer, output)
