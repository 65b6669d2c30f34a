"""The content of an HTML page as Markdown, and the headings that may name the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit

from lxml.etree import XPath
from lxml.etree import _Element as Element

from rag.sources.docs.html import blocks, inline, listings, panels, tables, tabs
from rag.sources.docs.html.boilerplate import Part
from rag.sources.docs.html.compose import compose
from rag.sources.docs.html.main_text import MainText, drop_menus, find_main
from rag.sources.docs.html.walk import Handler, Handlers, Walk

__all__ = ["Content", "read_content"]

#: Content with less prose than this, in characters, is taken for an overview, and keeps its table of contents.
_OVERVIEW_LENGTH = 200
_BY_TAG: Mapping[str, Handler] = {**blocks.BY_TAG, **tables.BY_TAG, **tabs.BY_TAG, **inline.BY_TAG}
_BY_PART: Mapping[Part, Handler] = {
    **blocks.BY_PART,
    **tables.BY_PART,
    **listings.BY_PART,
    **panels.BY_PART,
    **tabs.BY_PART,
    **inline.BY_PART,
}
# Both brackets: many readers of Markdown count them, others end a link at the first.
_ENCODED = str.maketrans({character: quote(character) for character in " ()<>"})
_OPENERS = XPath(
    "//@aria-controls | //@data-target | //@data-bs-target"
    " | //*[@aria-expanded or @data-toggle or @data-bs-toggle]/@href",
    smart_strings=False,
)
_SCRIPTED = XPath("//@onclick", smart_strings=False)
_QUOTED = re.compile(r"[\"']#?([\w:.-]+)[\"']")
_HANDLERS = Handlers(_BY_TAG, _BY_PART)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a page."""

    markdown: str
    #: the page's only h1, empty if it has none or several
    heading: str
    first_heading: str
    #: whether the element that is marked as the main text holds so little of the page that all of it was read
    is_mark_refused: bool = False


def read_content(root: Element, fragments: Collection[str], ids: Sequence[str], base: str) -> Content:
    """Return the content of a page; `root` may be changed.

    :param fragments: every fragment of the page, since an anchor must name one of them
    :param ids: the ids of all elements, in order
    :param base: the URL that links are relative to; absolute links to other hosts are kept
    """
    compose(root, ids)
    body = root.find("body")
    if body is None:
        body = root
    main = find_main(body)
    if main.element is body or next(main.element.iter("h1"), None) is not None:
        drop_menus(main.element)
    external = _links_to_other_hosts(urlsplit(base).hostname)

    openers = cache(lambda: _opened(root))
    repeated = {name for name, n in Counter(ids).items() if n > 1} if len(ids) > len(set(ids)) else frozenset()

    def walk_through(main: MainText, *, with_contents: bool = False) -> tuple[Walk, str]:
        walk = Walk(_HANDLERS, fragments, external=external, with_contents=with_contents)
        walk.openers, walk.writer.repeated = openers, repeated
        return walk, walk.render(*(root for root in (main.header, main.element) if root is not None))

    walk, text = walk_through(main)
    if walk.left_out_contents and _prose_length(text) < _OVERVIEW_LENGTH:
        walk, text = walk_through(main, with_contents=True)
    if not text and main.element is not body:
        walk, text = walk_through(MainText(body))
    # Several h1 are sections, and none of them names the page.
    heading = walk.h1 if walk.h1_count == 1 else ""
    return Content(text, heading, walk.first_heading, main.is_mark_refused)


def _links_to_other_hosts(host: str | None) -> Callable[[str], str | None]:
    def external(href: str) -> str | None:
        if not href.startswith(("http://", "https://")):
            return None
        try:
            return None if urlsplit(href).hostname == host else _in_link(href)
        except ValueError:
            return None

    return external


def _in_link(address: str) -> str:
    """Return an address as Markdown has it in a link, which a closing bracket would end."""
    return address.strip().translate(_ENCODED)


def _opened(root: Element) -> frozenset[str]:
    """Return the ids of the elements that buttons, tabs and links of the page show."""
    named = {name.removeprefix("#") for names in _OPENERS(root) for name in names.split()}
    return frozenset(named.union(*(_QUOTED.findall(script) for script in _SCRIPTED(root))))


def _prose_length(text: str) -> int:
    return sum(len(line) for line in text.split("\n") if not line.startswith("#"))
