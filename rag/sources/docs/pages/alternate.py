"""Pages that a site publishes as Markdown too, which is closer to the author's text than the extracted HTML.

Sites publish it in three ways: by a link in the page's head (rel="alternate", type="text/markdown"), at the same
address for `Accept: text/markdown`, or at the address with .md appended, as https://llmstxt.org proposes. The first
page shows which way a site uses, for at most three requests. Links, canonical addresses and anchors still come from the
HTML.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from urllib.parse import urljoin, urlsplit

from rag.sources.docs.fetching.fetch import Fetched, Fetcher, FetchError
from rag.sources.docs.pages.formats import MARKDOWN_TYPES, markdown_links
from rag.sources.docs.pages.page import NotHtmlError, Page, decode
from rag.sources.docs.pages.reading import ReadingError, read_markdown_within
from rag.sources.docs.urls import Scope
from rag.text.anchors import anchored, split_anchor
from rag.text.blocks import is_heading, lines_with_code

__all__ = ["Alternates"]

#: the types that servers send Markdown with
_SENT_AS = (*MARKDOWN_TYPES, "text/plain", "application/octet-stream")
_ACCEPT = "text/markdown, text/html;q=0.5"
_WORD = re.compile(r"\w+")
#: The Markdown must hold this share of the page's words, and at most this many times as many words.
_MIN_SHARED = 0.8
_MAX_RATIO = 3.0
#: A page with fewer words than this is compared as if it had them.
_MIN_WORDS = 50

#: A page that a script makes may have Markdown although the start page has none; after so many, none is looked for.
_MAX_SHELLS = 5

#: Fetches the Markdown of a page in one of the three ways; None if the site has none.
_Way = Callable[[str], Fetched | None]


class Alternates:
    """Finds the Markdown of pages. Safe to use from several threads.

    :param allowed: returns whether an address may be fetched
    """

    def __init__(self, fetcher: Fetcher, allowed: Callable[[str], bool]) -> None:
        self._fetcher = fetcher
        self._allowed = allowed
        self._lock = threading.Lock()
        #: the way in which the site publishes its Markdown; None before the first page
        self._way: _Way | None = None
        #: how many pages that scripts make have no Markdown
        self._shells_without = 0

    def better(self, url: str, page: Page, scope: Scope) -> Page:
        """Return the page with the text of its Markdown, if the site publishes it and it matches the HTML.

        A page that a script makes gets its text and its links from the Markdown alone.

        :param scope: decides which links are followed
        """
        if page.noindex or not (page.text or page.is_shell):
            return page
        replaced = partial(self._replaced, page=page, url=url, scope=scope)
        if page.markdown:
            return self._linked(url, page, replaced) or page
        with self._lock:
            is_sought = page.is_shell and self._way is _no_markdown and self._shells_without < _MAX_SHELLS
            if self._way is None or is_sought:
                ways: tuple[_Way, ...] = (self._negotiated, self._suffixed, self._suffixed_folder)
                for way in (*ways, self._read_me) if page.is_shell else ways:
                    if found := replaced(way(url)):
                        self._way = way
                        return found
                self._way = _no_markdown
                self._shells_without += page.is_shell
                return page
            way = self._way
        return replaced(way(url)) or page

    def _replaced(self, response: Fetched | None, *, page: Page, url: str, scope: Scope) -> Page | None:
        """Return the page with the text of a response, None if that is not its Markdown."""
        if response is None:
            return None
        try:
            source = decode(response.body, response.charset)
            if source.lstrip()[:1] == "<" or not source.strip():
                return None
            text = read_markdown_within(source, seconds=self._fetcher.limits.reading)
        except (NotHtmlError, ReadingError):
            return None
        if page.is_shell:
            return _made_of(source, text, page, url, scope)
        return replace(page, text="\n".join(_with_anchors_of(page, text))) if _is_same(page, text) else None

    def _linked(self, url: str, page: Page, replaced: Callable[[Fetched | None], Page | None]) -> Page | None:
        assert page.markdown
        if urlsplit(page.markdown).netloc != urlsplit(url).netloc:
            return None
        return replaced(self._get(page.markdown))

    def _negotiated(self, url: str) -> Fetched | None:
        response = self._get(url, accept=_ACCEPT)
        return response if response and response.content_type in MARKDOWN_TYPES else None

    def _suffixed(self, url: str) -> Fetched | None:
        path = url.partition("?")[0]
        stem = path.removesuffix(".html") if path.endswith(".html") else path.rstrip("/")
        return self._get(f"{stem}.md") if urlsplit(stem).path else None

    def _suffixed_folder(self, url: str) -> Fetched | None:
        path = url.partition("?")[0]
        return self._get(f"{path}index.md" if path.endswith("/") else f"{path}.md")

    def _read_me(self, url: str) -> Fetched | None:
        return self._get(urljoin(url, "README.md")) if url.endswith(("/", "/index.html")) else None

    def _get(self, url: str, *, accept: str | None = None) -> Fetched | None:
        if not self._allowed(url):
            return None
        try:
            response = self._fetcher.get(url, accept=accept, attempts=2)
        except FetchError:
            return None
        if response.status != 200 or response.content_type not in _SENT_AS:
            return None
        return response


def _no_markdown(_url: str) -> None:
    return None


def _is_same(page: Page, markdown: str) -> bool:
    """Return whether Markdown has the words of a page."""
    html_words, words = Counter(_WORD.findall(page.text.lower())), Counter(_WORD.findall(markdown.lower()))
    shared = (html_words & words).total()
    return shared >= _MIN_SHARED * html_words.total() and words.total() <= _MAX_RATIO * max(
        html_words.total(), _MIN_WORDS
    )


def _made_of(source: str, markdown: str, page: Page, url: str, scope: Scope) -> Page:
    """Return a page without a text of its own with that of its Markdown, whose headings get no anchors."""
    lines = markdown.split("\n")
    first = next((split_anchor(line)[0] for line in lines if line.startswith("# ")), "")
    links = dict.fromkeys(place for href in markdown_links(source) if (place := scope.link(href, url)))
    links.pop(url, None)
    text = "\n".join(_without_anchors(lines))
    return replace(page, title=first.removeprefix("# ") or page.title, text=text, links=(*page.links, *links))


def _without_anchors(lines: list[str]) -> Iterator[str]:
    for line, is_code in lines_with_code(lines, nested=True):
        yield split_anchor(line)[0] if is_heading(line) and not is_code else line


def _with_anchors_of(page: Page, markdown: str) -> Iterator[str]:
    """Yield the lines of the Markdown, its headings with the anchors that they have on the page, and no others."""
    anchors: dict[str, list[str]] = {}
    for line, is_code in lines_with_code(page.text.split("\n"), nested=True):
        if is_heading(line) and not is_code:
            heading, anchor = split_anchor(line)
            if anchor:
                anchors.setdefault(_words(heading), []).append(anchor.fragment)
    for line, is_code in lines_with_code(markdown.split("\n"), nested=True):
        if is_code or not is_heading(line):
            yield line
            continue
        heading, own = split_anchor(line)
        same = anchors.get(_words(heading))
        fragment = own.fragment if own and own.fragment in page.fragments else None
        yield anchored(heading, same.pop(0) if same else fragment)


def _words(heading: str) -> str:
    return " ".join(_WORD.findall(heading.lower()))
