"""Find the element that holds the main text of a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import HEADINGS, Part, part_of
from rag.sources.docs.html.elements import is_links, text_of
from rag.sources.docs.html.text import MAX_DEPTH
from rag.sources.names import names

__all__ = ["MainText", "drop_menus", "find_main"]

_MAIN_CLASSES = names(
    "md-content__inner theme-doc-markdown vp-doc markdown-body td-content devsite-article-body sl-markdown-content "
    "mdx-content doc-content col-content mw-parser-output"
)
_MAIN_IDS = frozenset({"content", "main-content", "maincontent", "main", "docs-content", "bodycolumn", "page-content"})
_RANKS = 7
#: The rank of docutils' outermost section, which some themes give no other mark.
_SECTION = 5
# An article or a section may be the only one of its kind: the one function of a module, say.
_ONE_OF_SEVERAL = frozenset({3, 5})
_MIN_SHARE_OF_ONE = 0.9
#: The ranks of marks that mean the main text and nothing else.
_EXPLICIT = frozenset({0, 2, 4})
_SHORT_LINK = 25
#: Signs between links are few in a menu, and many in a list of types.
_MENU_SHARE = 0.75
#: A paragraph with more characters outside of links belongs to the main text.
_LONG_TEXT = 80
#: A marked element that holds a smaller share of the page's text is not its main text, whatever its mark says.
_MIN_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class MainText:
    """The element that holds the main text, and what a theme puts above it."""

    element: Element
    #: the box of the page's heading beside the element, None if the heading is inside or there is none
    header: Element | None = None
    #: whether an element is marked as the main text but holds so little of the text that all of the page is read
    is_mark_refused: bool = False


def find_main(body: Element) -> MainText:
    """Return the smallest element that holds the main text of a page, by the marks of common generators.

    The whole body is returned if nothing is marked, or if most of the text stands outside of what is marked.
    """
    found: list[list[Element]] = [[] for _ in range(_RANKS)]
    for element in body.iter("article", "main", "div", "section"):
        rank = _rank(element.tag, element.get("class", ""), element.get("role", ""), element.get("id", ""))
        rank = 1 if element.get("itemprop") == "articleBody" else rank
        if rank == _SECTION and any(_is_section(above) for above in element.iterancestors("div", "section")):
            continue
        if rank < _RANKS:
            found[rank].append(element)
    is_refused = False
    for rank, candidates in enumerate(found):
        if len(candidates) == 1 or (candidates and candidates[0].tag == "main"):
            main = candidates[0]
            if _holds_most(body, main, rank):
                return MainText(main, _header_above(body, main))
            is_refused = True
    return MainText(body, is_mark_refused=is_refused)


@lru_cache(maxsize=4096)
def _rank(tag: str, classes: str, role: str, identifier: str) -> int:
    names = frozenset(classes.lower().split())
    if identifier in ("content-area", "doc-content"):  # Mintlify, Doxygen
        return 0
    if names & _MAIN_CLASSES:
        return 1
    if role == "main":
        return 2
    if tag == "article":
        return 3
    if tag == "main":
        return 4
    if tag == "div" and "section" in names:
        return _SECTION
    if identifier.lower() in _MAIN_IDS:
        return 6
    return _RANKS


def _is_section(element: Element) -> bool:
    return "section" in (element.get("class") or "").split()


def _holds_most(body: Element, main: Element, rank: int) -> bool:
    """Return whether the prose outside an element is a small part of all text: it may be a banner, or a footer."""
    beside = [(element, length) for element, _ in _beside(body, main) if (length := _prose(element))]
    if not beside:
        return True
    has_headings = any(_has_heading(element) for element, _ in beside)
    if rank in _EXPLICIT and not has_headings:
        return True
    inside = len("".join(text_of(main).split()))
    share = _MIN_SHARE_OF_ONE if rank in _ONE_OF_SEVERAL and has_headings else _MIN_SHARE
    return inside >= share * (inside + sum(length for _, length in beside))


def _beside(body: Element, main: Element) -> Iterator[tuple[Element, bool]]:
    """Yield the elements that stand beside an element or beside one above it, and whether they precede it."""
    inner = main
    while inner is not body and (above := inner.getparent()) is not None:
        is_before = True
        for element in above:
            if element is inner:
                is_before = False
            elif type(element.tag) is str:
                yield element, is_before
        inner = above


def _has_heading(element: Element) -> bool:
    return next(element.iter("h1", "h2", "h3"), None) is not None


def _prose(element: Element, depth: int = 0) -> int:
    """Return how many characters of text are in an element outside of links and boilerplate."""
    part = part_of(element)
    if element.tag == "a" or part in (Part.BOILERPLATE, Part.HIDDEN, Part.CONTENTS):
        return 0
    if part in (Part.DOUBTFUL, Part.HEADER) and is_links(element):
        return 0
    if depth > MAX_DEPTH:
        return len(text_of(element))
    count = len((element.text or "").strip())
    for child in element:
        if type(child.tag) is str:
            count += _prose(child, depth + 1)
        count += len((child.tail or "").strip())
    return count


def _header_above(body: Element, main: Element) -> Element | None:
    """Return the box above the main text that holds the page's h1; None if there is none, or the main text has one."""
    if next(main.iter("h1"), None) is not None:
        return None
    for element, is_before in _beside(body, main):
        if not is_before or part_of(element) in (Part.BOILERPLATE, Part.HIDDEN, Part.CONTENTS, Part.ADMONITION):
            continue
        heading = next(element.iter("h1"), None)
        if heading is None and part_of(element) is Part.HEADER:
            heading = next(element.iter("h2", "h3"), None)
        if heading is not None and _names_page(element, heading):
            return element
    return None


def _names_page(box: Element, heading: Element) -> bool:
    """Return whether a heading names the page instead of the site: it is no link, and not beside the site's menu."""
    if next(box.iter("nav", "input", "form"), None) is not None:
        return False
    if len(box.findall(".//a")) > 1 and is_links(box):  # one may be a tool of the page
        return False
    if any(link.get("href", "#")[:1] != "#" for link in heading.iter("a")):
        return False
    if any(above.tag == "a" for above in heading.iterancestors("a")):
        return False
    inner = heading
    while inner is not box and (inner := inner.getparent()) is not None:
        if part_of(inner) in (Part.BOILERPLATE, Part.HIDDEN):
            return False
    return True


def drop_menus(body: Element) -> None:
    """Remove menus from a page or the box that is marked as its text: short links before the first heading or prose."""
    menus = []
    for element in body.iter(*HEADINGS, "div", "ul", "table", "p", "center"):
        if element.tag in HEADINGS or (element.tag == "p" and _prose(element) > _LONG_TEXT):
            break
        links = element.findall(".//a")
        if len(links) < 3 or next(element.iter("h1", "h2"), None) is not None:
            continue
        if sum(len(text_of(link)) for link in links) < _SHORT_LINK * len(links) and is_links(element, _MENU_SHARE):
            menus.append(element)
    for menu in menus:
        _drop(menu)


def _drop(element: Element) -> None:
    """Remove an element from the tree; the text that follows it stays."""
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    if before is not None:
        before.tail = (before.tail or "") + (element.tail or "")
    else:
        parent.text = (parent.text or "") + (element.tail or "")
    parent.remove(element)
