"""Notes and warnings: blocks under a bold label."""

from __future__ import annotations

import re

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import HEADINGS, Part, part_of
from rag.sources.docs.html.elements import text_of
from rag.sources.docs.html.text import plain_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.sources.names import names
from rag.text.lines import one_line

__all__ = ["BY_PART"]

_PICTOGRAMS = "".join(map(chr, (*range(0x2600, 0x27C0), *range(0x1F300, 0x1FB00), 0x2139, 0xFE0E, 0xFE0F, 0x20)))
_TITLE_CLASS = re.compile(r"(?:^|[\s_-])(?:title|heading)(?:$|[\s_-])")
_KINDS = names(
    "note tip hint warning caution important danger info attention error seealso example abstract success question "
    "failure bug todo"
)


def _admonition(walk: Walk, element: Element) -> None:
    """Write a note or warning as paragraphs, the first of which begins with its title."""
    writer = walk.writer
    writer.flush()
    walk.note_anchor(element)
    content = _laid_out(element)
    title = _admonition_title(element)
    text = "" if title is None else _without_icon(plain_text(title))
    kind = _admonition_kind(element)
    if title is not None:
        _empty(title)
    if not text and kind and not _begins_with(content, kind):
        text = kind.capitalize()
    if text:
        writer.set_label(text, ":**", " ")
    walk.children(content)
    writer.finish_block()


def _laid_out(element: Element) -> Element:
    """Return the cell that holds the text of an admonition beside its icon, or the element if it is no table.

    AsciiDoc names the kind of the admonition in the cell of the icon, DocBook in a head.
    """
    table = element if element.tag == "table" else next(element.iter("table"), None)
    cells = [] if table is None else list(table.iter("td", "th"))
    if table is not element and (element.find("table") is None or len(element) != 1):
        return element
    icons = [cell for cell in cells if _is_icon(cell)]
    texts = [cell for cell in cells if cell.tag == "td" and cell not in icons]
    if not icons or len(texts) != 1:
        return element
    if not _admonition_kind(element) or element.get("class") == "admonitionblock":
        image = next(icons[0].iter("img", "i"), None)
        named = text_of(icons[0]).strip() or (image is not None and (image.get("alt") or image.get("title"))) or ""
        element.set("data-callout-type", named.strip("[]"))
    return texts[0]


def _is_icon(cell: Element) -> bool:
    if "icon" in (cell.get("class") or "").split():
        return True
    return next(cell.iter("img"), None) is not None and not text_of(cell).strip()


def _without_icon(title: str) -> str:
    """Return a title without the pictograms around it."""
    return title.strip(_PICTOGRAMS)


def _begins_with(content: Element, kind: str) -> bool:
    """Return whether the text names the kind of the admonition itself, as in "Note: …" or "<b>Note</b>"."""
    return re.match(rf"{kind}s?\b\s*[:.—–-]", text_of(content).strip(), re.IGNORECASE) is not None


def _admonition_title(element: Element) -> Element | None:
    """Return the element that names an admonition: marked as its title, or the heading that it begins with."""
    for child in element.iter("*"):
        if child is element:
            continue
        if (
            part_of(child) is Part.ADMONITION_TITLE
            or _TITLE_CLASS.search(child.get("class") or "")
            or child.tag == "summary"
            or child.tag in HEADINGS
        ):
            return child
        if child.getparent() is element and _is_name_of_kind(child):
            return child
        if child.tag in ("p", "pre", "ul", "ol", "dl"):
            return child if _is_name_of_kind(child) else None
    return None


def _is_name_of_kind(element: Element) -> bool:
    """Return whether a paragraph, or bold text before one, is only the name of a kind of admonition."""
    words = one_line(text_of(element)).lower().rstrip(":!")
    is_alone = element.tag == "p" or (element.tag in ("strong", "b") and not (element.tail or "").strip())
    return is_alone and words in _KINDS and element.getnext() is not None


def _admonition_kind(element: Element) -> str:
    """Return the kind of an admonition without a title, such as "note"; empty if nothing names it."""
    named = f"{element.get('data-callout-type') or ''} {element.get('class') or ''}"
    names = named.lower().replace("-", " ").split()
    kinds = [name for name in names if name in _KINDS]
    # Where two are named, the first is often the class of every note.
    return next((kind for kind in kinds if kind != "note"), kinds[0] if kinds else "")


def _empty(element: Element) -> None:
    """Remove the content of an element; the text that follows it stays."""
    tail = element.tail
    element.clear()
    element.tail = tail
    element.tag = "span"


def _admonition_label(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    walk.writer.set_label(plain_text(element), ":**")


BY_PART: dict[Part, Handler] = {
    Part.ADMONITION: _admonition,
    Part.ADMONITION_TITLE: _admonition_label,
}
