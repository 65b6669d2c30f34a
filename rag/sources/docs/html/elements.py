"""What any element holds: its text, and how much of it are links."""

from __future__ import annotations

from lxml.etree import _Element as Element

__all__ = ["is_links", "is_menu", "text_of"]


def text_of(element: Element) -> str:
    """Return the text of an element and everything inside it."""
    return "".join(element.itertext())


def is_links(element: Element, share: float = 0.6) -> bool:
    """Return whether links make up more than a share of an element's text."""
    total = len("".join(text_of(element).split()))
    linked = sum(len("".join(text_of(link).split())) for link in element.iter("a"))
    return total == 0 or linked / total > share


def is_menu(element: Element) -> bool:
    """Return whether links make up most of an element's text, the names above its lists of links not counted."""
    if is_links(element):
        return True
    headings = [heading for heading in element.iter("h2", "h3", "h4", "h5", "h6") if heading.find(".//a") is None]
    if not headings or next(element.iter("a"), None) is None:
        return False
    total, named, linked = (
        sum(len("".join(text_of(part).split())) for part in parts)
        for parts in ((element,), headings, element.iter("a"))
    )
    return linked > _MENU_SHARE * (total - named)


_MENU_SHARE = 0.8
