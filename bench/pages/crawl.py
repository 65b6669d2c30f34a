"""The speed of a crawl in pages per second, compared with wget and scrapy on the same site.

    python -m bench crawl

The site is the PostgreSQL manual if Debian's package postgresql-doc-15 is installed, otherwise 1,000 generated pages. A
separate process serves it from memory; the first line of the output is the speed of that server. wget and scrapy only
fetch pages and follow links; this project also converts the pages to Markdown. Scrapy is stopped after about 200 pages. The
last row is a second crawl, in which every page is unchanged.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from bench import peers
from rag.settings import DocsConfig
from rag.sources import Changed, Checkpoint, Unchanged
from rag.sources.docs import DocsSource, Limits
from rag.store.documents import DocumentRow
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from rag.store.store import Store

MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
PAGES = 1000
SPIDER = """
import sys
import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule


class Pages(CrawlSpider):
    name = "pages"
    start_urls = [sys.argv[1]]
    rules = [Rule(LinkExtractor(), callback="page", follow=True)]
    read = 1

    def page(self, response):
        Pages.read += 1


process = CrawlerProcess({"CONCURRENT_REQUESTS": int(sys.argv[2]), "CONCURRENT_REQUESTS_PER_DOMAIN": int(sys.argv[2]),
                          "DOWNLOAD_DELAY": 0, "LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False,
                          "CLOSESPIDER_PAGECOUNT": 200})
process.crawl(Pages)
process.start()
print(Pages.read)
"""


def pages() -> dict[str, bytes]:
    if MANUAL.is_dir():
        return {f"/{path.name}": path.read_bytes() for path in MANUAL.glob("*.html") if path.name != "bookindex.html"}
    text = "<p>A paragraph of plain words, as a manual has them, with <code>code</code> in it.</p>" * 12
    made = {}
    for number in range(PAGES):
        links = "".join(f"<a href='p{(number * 7 + step) % PAGES}.html'>p</a> " for step in range(1, 20))
        head = f"<!doctype html><html><head><title>Page {number}</title></head>"
        made[f"/p{number}.html"] = f"{head}<body><nav>{links}</nav><main><h1>Page {number}</h1>{text}</main>".encode()
    return {**made, "/index.html": made["/p0.html"]}


def serve(connection: Connection) -> None:
    import socket

    import uvicorn

    found = {path: (body, f'"{sha256(body).hexdigest()[:16]}"'.encode()) for path, body in pages().items()}

    async def app(scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        body, etag = found.get(scope["path"], (b"", b""))
        known = dict(scope["headers"]).get(b"if-none-match")
        status = 404 if not etag else 304 if known == etag else 200
        headers = [(b"content-type", b"text/html"), (b"etag", etag)] if etag else []
        body = body if status == 200 else b""
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # asyncio disables Nagle's algorithm, which delays replies by 40 ms, only if the protocol of the socket is given.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    connection.send((listener.getsockname()[1], len(found)))
    # A measurement that is killed leaves no server behind.
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run([listener])


def end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(0)


@contextmanager
def site() -> Iterator[tuple[str, int]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        port, count = here.recv()
        yield f"http://127.0.0.1:{port}/index.html", count
    finally:
        process.kill()
        process.join()


def crawl(url: str, store: Store, concurrency: int, name: str) -> tuple[int, float]:
    """Crawl and store documents, without chunking and embedding."""
    store.sources.register(name, "docs")
    source = DocsSource(DocsConfig(name=name, url=url), store, limits=Limits(concurrency=concurrency))
    started = time.monotonic()
    read = 0
    for change in source.changes(full=False):
        read += isinstance(change, Changed | Unchanged)
        with store.transaction() as transaction:
            if isinstance(change, Changed):
                document = change.document
                columns = {key: document.metadata[key] for key in ("kind", "url", "title")}
                row = {"text": document.text, "metadata": document.metadata, "hash": document.hash, **columns}
                transaction.documents.put([DocumentRow(id=document.id_, source=name, **row)])
            if isinstance(change, Changed | Unchanged | Checkpoint) and change.record:
                change.record(transaction)
    return read, time.monotonic() - started


def wget(url: str) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        command = ["wget", "--recursive", "--level=inf", "--no-parent", "--quiet", "--execute", "robots=off", url]
        subprocess.run(command, cwd=folder, check=False)
        return sum(1 for _ in Path(folder).rglob("*.html")), time.monotonic() - started


def scrapy(url: str, concurrency: int) -> tuple[int, float]:
    executable = peers.python("scrapy", ("scrapy",))
    started = time.monotonic()
    done = subprocess.run([executable, "-c", SPIDER, url, str(concurrency)], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]), time.monotonic() - started


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(
        prog="python -m bench crawl", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    with site() as (url, count), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with httpx.Client() as client:
            started = time.monotonic()
            for _ in range(300):
                client.get(url)
            print(
                f"{count:,} pages; one httpx client in a loop fetches {300 / (time.monotonic() - started):,.0f} pages/s\n"
            )
        print(f"{'':<34}{'pages':>8}{'seconds':>9}{'pages/s':>9}{'/ wget':>9}")
        base = 0.0

        def row(title: str, outcome: tuple[int, float]) -> None:
            rate = outcome[0] / outcome[1]
            share = f"{rate / base:9.1f}" if base else ""
            print(f"{title:<34}{outcome[0]:>8,}{outcome[1]:>9.2f}{rate:>9,.0f}{share}", flush=True)

        if shutil.which("wget"):
            outcome = wget(url)
            base = outcome[0] / outcome[1]
            row("wget --recursive", outcome)
        for concurrency in (1, 8, 32):
            row(f"scrapy, concurrency {concurrency}", scrapy(url, concurrency))
        with Database(embedded_dsn(Path(folder)), embedded=True) as database:
            store = Store(database)
            for concurrency in (1, 8, 32):
                row(f"this project, concurrency {concurrency}", crawl(url, store, concurrency, f"at{concurrency}"))
            row("this project, concurrency 8, again", crawl(url, store, 8, "at8"))
        stop_embedded(Path(folder))
