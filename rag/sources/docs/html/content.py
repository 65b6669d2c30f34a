"""The content of an HTML page as Markdown, and the headings that may name the page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml.etree import _Element as Element

from rag.sources.docs.html import blocks, inline, panels, tables
from rag.sources.docs.html.boilerplate import Part, drop_menus, find_main, text_of
from rag.sources.docs.html.walk import Handler, Handlers, Walk
from rag.text.lines import one_line

__all__ = ["Content", "read_content"]

#: Content with less prose than this, in characters, is taken for an overview, and keeps its table of contents.
_OVERVIEW_LENGTH = 200
_BY_TAG: Mapping[str, Handler] = {**blocks.BY_TAG, **tables.BY_TAG, **panels.BY_TAG, **inline.BY_TAG}
_BY_PART: Mapping[Part, Handler] = {**panels.BY_PART, **inline.BY_PART}
_HANDLERS = Handlers(_BY_TAG, _BY_PART)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a page."""

    markdown: str
    #: the page's only h1, empty if it has none or several
    heading: str
    first_heading: str


def read_content(root: Element, fragments: Collection[str], base: str) -> Content:
    """Return the content of a page; `root` may be changed.

    :param fragments: every id of the page, since an anchor must name one of them
    :param base: the URL that links are relative to; absolute links to other hosts are kept
    """
    body = root.find("body")
    if body is None:
        body = root
    main = find_main(body)
    if main is body:
        drop_menus(body)
    external = _links_to_other_hosts(urlsplit(base).hostname)
    walk = Walk(_HANDLERS, fragments, external=external)
    text = walk.render(main)
    if walk.left_out_contents and _prose_length(text) < _OVERVIEW_LENGTH:
        walk = Walk(_HANDLERS, fragments, external=external, with_contents=True)
        text = walk.render(main)
    if not text and main is not body:
        walk = Walk(_HANDLERS, fragments, external=external)
        text = walk.render(body)
    # Several h1 are sections, and none of them names the page.
    heading = walk.h1 if walk.h1_count == 1 else ""
    if not walk.h1_count and main is not body:
        heading = _heading_beside(main)
        if heading and text:
            text = f"# {heading}\n\n{text}"
    return Content(text, heading, walk.first_heading)


def _links_to_other_hosts(host: str | None) -> Callable[[str], str | None]:
    def external(href: str) -> str | None:
        if not href.startswith(("http://", "https://")):
            return None
        try:
            return None if urlsplit(href).hostname == host else href.replace(" ", "%20").replace(")", "%29")
        except ValueError:
            return None

    return external


def _heading_beside(main: Element) -> str:
    """Return the h1 that a theme puts beside the content in its article, empty if there is none."""
    for above in main.iterancestors("article", "main"):
        for heading in above.iter("h1"):
            return one_line(text_of(heading))
    return ""


def _prose_length(text: str) -> int:
    return sum(len(line) for line in text.split("\n") if not line.startswith("#"))
