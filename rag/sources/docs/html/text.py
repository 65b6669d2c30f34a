"""The text of an element without permalinks and boilerplate."""

from __future__ import annotations

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import Part, part_of, text_of
from rag.sources.docs.html.writer import INVISIBLE
from rag.text.lines import one_line

__all__ = ["MAX_DEPTH", "is_permalink", "plain_text", "visible_text"]

#: Deeper nesting is read as flat text, far below the limit of Python's stack.
MAX_DEPTH = 120
_PERMALINKS = frozenset({"", "¶", "#", "§", "🔗", "link", "permalink", "anchor", "\uf0c1"})


def visible_text(element: Element, depth: int = 0) -> str:
    """Return the text that a reader sees, its line breaks as newlines."""
    if depth > MAX_DEPTH:
        return text_of(element)
    pieces = [element.text or ""]
    for child in element:
        is_link = child.tag == "a" and is_permalink(child)
        if not is_link and part_of(child) is not Part.BOILERPLATE:
            pieces.append("\n" if child.tag == "br" else visible_text(child, depth + 1))
        pieces.append(child.tail or "")
    return "".join(pieces)


def plain_text(element: Element) -> str:
    """Return the text that a reader sees, on one line."""
    return one_line(INVISIBLE.sub("", visible_text(element)))


def is_permalink(link: Element) -> bool:
    """Return whether a link is the mark beside a heading that links to the heading itself."""
    if "#" not in (link.get("href") or ""):
        return False
    text = one_line(text_of(link).replace("\u200b", "")).lower()
    return text in _PERMALINKS and not link.findall(".//img")
