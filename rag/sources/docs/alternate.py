"""Pages that a site publishes as Markdown too: what their author wrote is better than what can be read off the HTML.

Three ways to come by it are in use: a link in the page's head (rel="alternate", type="text/markdown"), the same
address asked for with `Accept: text/markdown`, and the address with .md behind it, which https://llmstxt.org proposes.
The first page that is read shows which of them a site knows, for three requests at the most; a site without any
costs no more. The HTML is still what links, canonical addresses and anchors are taken from.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from rag.sources.docs.fetch import Fetched, Fetcher, FetchError
from rag.sources.docs.page import NotHtmlError, Page, decode
from rag.sources.markup.markdown import Text, read_markdown, with_code

__all__ = ["MARKDOWN_TYPES", "Alternates", "markdown_links"]

MARKDOWN_TYPES = frozenset({"text/markdown", "text/x-markdown"})
_ACCEPT = "text/markdown, text/html;q=0.5"
_WORD = re.compile(r"\w+")
_HEADING = re.compile(r"^(#{1,6} .*?)(?: \{#([^\s{}]+)\})?$")
_LINK = re.compile(r"(?<!!)\[[^\[\]]*\]\(<?([^\s()<>]+)")
# Less than this of the page's words, and the Markdown is of something else; more text than that, of much else.
_LEAST_SHARED = 0.8
_MOST_LONGER = 3.0

#: Asks for the Markdown of an address, and says nothing if there is none.
_Way = Callable[[str], Fetched | None]


class Alternates:
    """Finds the Markdown of pages. Safe to use from several threads.

    :param allowed: whether an address may be asked for
    """

    def __init__(self, fetcher: Fetcher, allowed: Callable[[str], bool]) -> None:
        self._fetcher = fetcher
        self._allowed = allowed
        self._lock = threading.Lock()
        #: how the site gives its Markdown; None before that is known
        self._way: _Way | None = None

    def better(self, url: str, page: Page) -> Page:
        """Return the page with the text of its Markdown, if the site has that and it says what the page says."""
        if page.noindex or not page.text:
            return page
        if page.markdown:
            return self._linked(url, page) or page
        with self._lock:
            if self._way is None:
                ways: tuple[_Way, ...] = (self._negotiated, self._suffixed, self._suffixed_folder)
                for way in ways:
                    if found := _told(way(url), page):
                        self._way = way
                        return found
                self._way = _nothing
                return page
            way = self._way
        return _told(way(url), page) or page

    def _linked(self, url: str, page: Page) -> Page | None:
        assert page.markdown
        if urlsplit(page.markdown).netloc != urlsplit(url).netloc:
            return None
        return _told(self._get(page.markdown), page)

    def _negotiated(self, url: str) -> Fetched | None:
        reply = self._get(url, accept=_ACCEPT)
        return reply if reply and reply.content_type in MARKDOWN_TYPES else None

    def _suffixed(self, url: str) -> Fetched | None:
        path = url.partition("?")[0]
        stem = path.removesuffix(".html") if path.endswith(".html") else path.rstrip("/")
        return self._get(f"{stem}.md") if urlsplit(stem).path else None

    def _suffixed_folder(self, url: str) -> Fetched | None:
        path = url.partition("?")[0]
        return self._get(f"{path}index.md" if path.endswith("/") else f"{path}.md")

    def _get(self, url: str, *, accept: str | None = None) -> Fetched | None:
        if not self._allowed(url):
            return None
        try:
            reply = self._fetcher.get(url, accept=accept, attempts=2)
        except FetchError:
            return None
        if reply.status != 200 or reply.content_type not in (*MARKDOWN_TYPES, "text/plain"):
            return None
        return reply


def _nothing(_url: str) -> None:
    return None


def _told(reply: Fetched | None, page: Page) -> Page | None:
    """Return the page with a reply's text, if that is its Markdown."""
    if reply is None:
        return None
    try:
        source = decode(reply.body, reply.charset)
    except NotHtmlError:
        return None
    if source.lstrip()[:1] == "<" or not source.strip():
        return None
    text = read_markdown(source)
    shown, told = Counter(_WORD.findall(page.text.lower())), Counter(_WORD.findall(text.markdown.lower()))
    shared = (shown & told).total()
    if shared < _LEAST_SHARED * shown.total() or told.total() > _MOST_LONGER * max(shown.total(), 50):
        return None
    return replace(page, text="\n".join(_anchored(text, page)))


def _anchored(text: Text, page: Page) -> Iterator[str]:
    """Yield the lines with the anchors that the page's headings have, and no others."""
    anchors: dict[str, list[str]] = {}
    for line, is_code in with_code(page.text.split("\n")):
        match = None if is_code else _HEADING.match(line)
        if match and match[2]:
            anchors.setdefault(_name(match[1]), []).append(match[2])
    for line, is_code in with_code(text.markdown.split("\n")):
        match = None if is_code else _HEADING.match(line)
        if not match:
            yield line
            continue
        same = anchors.get(_name(match[1]))
        anchor = same.pop(0) if same else match[2] if match[2] in page.fragments else None
        yield f"{match[1]} {{#{anchor}}}" if anchor else match[1]


def _name(heading: str) -> str:
    return " ".join(_WORD.findall(heading.lower()))


def markdown_links(source: str) -> Iterator[str]:
    """Yield where the links of a Markdown page lead to, code left out."""
    for line, is_code in with_code(source.split("\n")):
        if not is_code:
            yield from _LINK.findall(re.sub(r"`[^`]*`", "", line))
