"""What any element holds: its text, and how much of it are links."""

from __future__ import annotations

from lxml.etree import _Element as Element

__all__ = ["is_links", "text_of"]


def text_of(element: Element) -> str:
    """Return the text of an element and everything inside it."""
    return "".join(element.itertext())


def is_links(element: Element, share: float = 0.6) -> bool:
    """Return whether links make up more than a share of an element's text."""
    total = len("".join(text_of(element).split()))
    linked = sum(len("".join(text_of(link).split())) for link in element.iter("a"))
    return total == 0 or linked / total > share
