"""The project's handbook as a docs site on loopback: a folder of Markdown files rendered to plain pages.

with HandbookSite(Path("docs")) as site:
    print(site.url)     # http://127.0.0.1:…/handbook/index.html
"""

from __future__ import annotations

import hashlib
import html
import itertools
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["HandbookSite", "Page", "render_pages"]

_FOLDER = "/handbook/"
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} · Handbook</title>
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; color: #222; display: flex; gap: 3rem; max-width: 66rem; margin: 2rem auto; padding: 0 1rem }}
nav {{ min-width: 9rem }} nav a {{ display: block }} main {{ min-width: 0 }}
pre {{ background: #f5f5f5; padding: .8rem; overflow-x: auto }}
td, th {{ border-bottom: 1px solid #ddd; padding: .3rem .8rem; text-align: left; vertical-align: top }}
footer {{ color: #777; margin-top: 3rem }}
</style>
</head>
<body>
<nav>{nav}</nav>
<div>
<main>
{content}</main>
<footer>The handbook of support-engine, served from this checkout.</footer>
</div>
</body>
</html>
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page."""

    path: str
    title: str
    html: str


class HandbookSite:
    """Serve a folder of Markdown files until the `with` block ends.

    :param folder: its *.md files are the pages; without an index.md, the first page is a list of contents
    :param port: 0 takes a free one
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.pages = {page.path: page for page in render_pages(folder)}
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.pages = self.pages
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}{_FOLDER}index.html"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="handbook", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def render_pages(folder: Path) -> list[Page]:
    """Render every Markdown file of a folder."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    titles = {name: _title(text, name) for name, text in sources.items()}
    if "index" not in sources:
        contents = "\n".join(f"- [{title}]({name}.md)" for name, title in titles.items())
        sources["index"] = f"# Handbook\n\n{contents}\n"
    nav = "".join(f'<a href="{name}.html">{html.escape(title)}</a>' for name, title in titles.items())
    return [
        Page(
            f"{_FOLDER}{name}.html",
            titles.get(name, "Contents"),
            _PAGE.format(title=html.escape(titles.get(name, "Contents")), nav=nav, content=_render(text)),
        )
        for name, text in sources.items()
    ]


def _title(text: str, name: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else name.capitalize()


def _render(text: str) -> str:
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = markdown.parse(text)
    _name_headings(tokens)
    _point_to_pages(tokens)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _name_headings(tokens: Sequence[Token]) -> None:
    """Give each heading an id, made from its text as GitHub does."""
    taken: dict[str, int] = {}
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            words = re.sub(r"[^\w\s-]", "", inline.content.lower())
            name = re.sub(r"\s+", "-", words.strip()) or "section"
            count = taken[name] = taken.get(name, -1) + 1
            opening.attrSet("id", f"{name}-{count}" if count else name)


def _point_to_pages(tokens: Sequence[Token]) -> None:
    """Change links between the Markdown files to links between the pages."""
    for token in tokens:
        for child in token.children or ():
            target = child.attrGet("href")
            if child.type == "link_open" and isinstance(target, str) and "://" not in target:
                child.attrSet("href", re.sub(r"\.md(?=#|$)", ".html", target))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pages: dict[str, Page]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; Nagle's algorithm would delay the second by 40 ms.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Send a page, or 304 if the client has its current version."""
        path = self.path.partition("?")[0]
        page = self.server.pages.get(f"{_FOLDER}index.html" if path in ("/", _FOLDER) else path)
        if page is None:
            self._send(404, b"<!doctype html><title>Not found</title><h1>Not found</h1>")
            return
        body = page.html.encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            self._send(304, b"", tag)
        else:
            self._send(200, body, tag)

    def _send(self, status: int, body: bytes, tag: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; the demo's output is for people."""
