"""A crawl of the PostgreSQL manual, 1,172 files by DocBook, yields exactly its pages with valid fragments."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urldefrag

import pytest

from rag.ingest.chunking import MarkdownChunker
from rag.settings import DocsConfig
from rag.sources import Changed, Failed, Unchanged
from rag.sources.docs import DocsSource
from rag.store.store import Store
from tests.integration.sources.commits import commit

#: the folder of Debian's package postgresql-doc-15
MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")

pytestmark = [
    pytest.mark.skipif(not MANUAL.is_dir(), reason="the Debian package postgresql-doc-15 is not installed"),
    pytest.mark.slow,  # 1,172 pages, twice
]


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def manual() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(MANUAL))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def crawled(manual: str, store: Store) -> tuple[dict[str, Changed], int, list[Failed]]:
    store.sources.register("site", "docs")
    config = DocsConfig(name="site", url=manual, exclude=("*/bookindex.html",))
    changed, unchanged, failed = {}, 0, []
    for change in DocsSource(config, store).changes(full=False):
        commit(store, change)
        unchanged += isinstance(change, Unchanged)
        if isinstance(change, Changed):
            changed[change.document.metadata["url"]] = change
        if isinstance(change, Failed):
            failed.append(change)
    return changed, unchanged, failed


def test_a_crawl_yields_exactly_the_manual_s_pages_and_a_second_one_writes_nothing(manual: str, store: Store) -> None:
    changed, _, failed = crawled(manual, store)

    base = manual.removesuffix("index.html")
    files = {path.name for path in MANUAL.glob("*.html")} - {"bookindex.html"}
    pages = {url.removeprefix(base) or "index.html" for url in changed}
    linked = {
        name.partition("#")[0]
        for path in MANUAL.glob("*.html")
        if path.name != "bookindex.html"
        for name in re.findall(r'href="([^":]+\.html(?:#[^"]*)?)"', path.read_text(encoding="utf-8"))
    }
    assert failed == []
    assert pages == files & (linked | {"index.html"})
    assert len(pages) > 1100
    assert_fragments_exist(changed, base)
    assert crawled(manual, store) == ({}, len(changed), [])


def assert_fragments_exist(changed: dict[str, Changed], base: str) -> None:
    """Assert that most chunks link to a heading, and that each of these headings is in its page."""
    pages = {url.removeprefix(base) or "index.html" for url in changed}
    chunker = MarkdownChunker(lambda text: len(text.split()), max_tokens=160)
    chunks = chunker.get_nodes_from_documents([change.document for change in changed.values()])
    ids = {name: set(re.findall(r'\b(?:id|name)="([^"]+)"', (MANUAL / name).read_text("utf-8"))) for name in pages}
    for chunk in chunks:
        page, fragment = urldefrag(chunk.metadata["url"])
        assert not fragment or fragment in ids[page.removeprefix(base) or "index.html"], chunk.metadata["url"]
        assert not re.search(r"^(?:\[?Prev\]?|\[?Up\]?)\b.*\b(?:Next|Home)\b", chunk.get_content(), re.MULTILINE)
    linked_chunks = sum("#" in chunk.metadata["url"] for chunk in chunks)
    assert linked_chunks > 0.9 * len(chunks)
