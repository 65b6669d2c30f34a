"""Put the parts of a page where scripts and shadow roots would show them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from lxml import etree
from lxml.etree import _Element as Element

__all__ = ["compose", "is_streamed"]

# React's server sends a part of the page that was not ready in a hidden element at the end, and a script moves it to
# the template that holds its place, between the comments `$?` and `/$`.
_STREAMED = re.compile(r"\bid=[\"']?[^\"'\s>]*S:[0-9a-f]+\b")
_SEGMENT = re.compile(r"^.*S:[0-9a-f]+$")
_PLACE = re.compile(r"^.*[BP]:[0-9a-f]+$")
_BOUNDARY = re.compile(r"B:[0-9a-f]+$")
# Each is looked through for its slots, and they may stand in each other.
_MAX_TEMPLATES = 1000
#: How many elements may be shown while a part is not ready.
_MAX_FALLBACK = 200
_MOVES = re.compile(r"\$R[CS]\(\s*[\"']([^\"']+)[\"']\s*,\s*[\"']([^\"']+)[\"']")


def is_streamed(markup: str) -> bool:
    """Return whether a page may hold parts that React's server streamed: its comments are needed to place them."""
    return "S:" in markup and _STREAMED.search(markup) is not None


def compose(root: Element, ids: Iterable[str]) -> None:
    """Move the streamed parts of a page, and open its declarative shadow roots.

    :param ids: the ids of all elements
    """
    if any("S:" in name and _SEGMENT.match(name) for name in ids):
        segments = {name: element for element in root.iter("*") if _SEGMENT.match(name := element.get("id") or "")}
        if any("hidden" in element.attrib or "hidden" in _above(element) for element in segments.values()):
            _place_segments(root, segments)
        etree.strip_elements(root, etree.Comment, with_tail=False)
    for template in list(islice(root.iter("template"), _MAX_TEMPLATES)):
        if "shadowrootmode" in template.attrib or "shadowroot" in template.attrib:
            _open_shadow_root(template)


def _above(element: Element) -> dict[str, str]:
    parent = element.getparent()
    return {} if parent is None else dict(parent.attrib)


def _place_segments(root: Element, segments: dict[str, Element]) -> None:
    """Move every segment to its place; show it where it is if the place is not in the page."""
    places: dict[str, Element] = {}
    for element in root.iter("template", "div", "span"):
        if _PLACE.match(element.get("id") or ""):
            places[element.get("id")] = element
    moves = {}
    for script in root.iter("script"):
        for first, second in _MOVES.findall(script.text or ""):
            # The segment is the second argument of $RC, and the first of $RS.
            place, segment = (first, second) if second in segments else (second, first)
            moves[segment] = place
    for name, segment in segments.items():
        prefix, _, number = name.rpartition("S:")
        wanted = [moves.get(name), f"{prefix}B:{number}", f"{prefix}P:{number}"]
        place = next((places[found] for found in wanted if found in places), None)
        if place is None or any(above is segment for above in place.iterancestors()):
            segment.attrib.pop("hidden", None)
        else:
            _replace(place, segment)


def _replace(place: Element, segment: Element) -> None:
    """Put the content of a segment in its place, instead of the text that was shown while it was not ready."""
    parent = place.getparent()
    if parent is None:
        return
    if _BOUNDARY.search(place.get("id") or ""):
        _remove_fallback(place)
    box = segment.getparent()
    segment.attrib.pop("hidden", None)
    segment.attrib.pop("id", None)
    segment.tail, place_tail = None, place.tail
    parent.replace(place, segment)
    segment.tail = place_tail
    if box is not None and box is not parent and "hidden" in box.attrib and not len(box):
        box.getparent().remove(box)


def _remove_fallback(place: Element) -> None:
    """Remove what stands between a place and the comment that ends its boundary."""
    siblings = []
    depth = 0
    for sibling in islice(place.itersiblings(), _MAX_FALLBACK):
        if sibling.tag is etree.Comment:
            text = sibling.text or ""
            if text == "/$" and depth == 0:
                break
            depth += {"$": 1, "$?": 1, "$!": 1, "/$": -1}.get(text, 0)
        siblings.append(sibling)
    else:
        return
    place.tail = None
    for sibling in siblings:
        place.getparent().remove(sibling)


def _open_shadow_root(template: Element) -> None:
    """Replace a shadow root by its content, with the children of its host where its slots are."""
    host = template.getparent()
    if host is None:
        return
    template.tag = "div"
    template.attrib.clear()
    for slot in list(template.iter("slot")):
        name = slot.get("name")
        children = [
            child for child in host if child is not template and type(child.tag) is str and child.get("slot") == name
        ]
        text = template.tail if not name else None
        if not children and not (text or "").strip():
            continue  # a slot shows its own content then
        slot.tag = "div" if any(child.tag not in ("span", "a", "b", "code") for child in children) else "span"
        for inner in list(slot):
            slot.remove(inner)
        slot.text = text
        if not name:
            template.tail = None
        for child in children:
            slot.append(child)
