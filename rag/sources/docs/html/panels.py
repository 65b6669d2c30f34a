"""Notes, warnings and tabs: blocks under a bold label."""

from __future__ import annotations

from lxml.etree import _Element as Element

from rag.sources.docs.html.blocks import HEADINGS
from rag.sources.docs.html.boilerplate import Part, part_of
from rag.sources.docs.html.text import plain_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.sources.names import names

__all__ = ["BY_PART", "BY_TAG"]

_KINDS = names(
    "note tip hint warning caution important danger info attention error seealso example abstract success question "
    "failure bug todo"
)


def _admonition(walk: Walk, element: Element) -> None:
    """Write a note or warning as paragraphs, the first of which begins with its title."""
    writer = walk.writer
    writer.flush()
    walk.note_anchor(element)
    title = _admonition_title(element)
    if title is not None:
        writer.set_label(plain_text(title), ":**", " ")
        _empty(title)
    elif kind := _admonition_kind(element):
        writer.set_label(kind.capitalize(), ":**", " ")
    walk.children(element)
    writer.finish_block()


def _admonition_title(element: Element) -> Element | None:
    """Return the element that names an admonition: marked as its title, or the heading that it begins with."""
    for child in element.iter("*"):
        if child is element:
            continue
        if (
            part_of(child) is Part.ADMONITION_TITLE
            or "title" in (child.get("class") or "").split()
            or child.tag == "summary"
            or child.tag in HEADINGS
        ):
            return child
        if child.tag in ("p", "pre", "ul", "ol", "dl"):
            break
    return None


def _admonition_kind(element: Element) -> str:
    """Return the kind of an admonition without a title, such as "note"; empty if nothing names it."""
    named = f"{element.get('data-callout-type') or ''} {element.get('class') or ''}"
    names = named.lower().replace("-", " ").split()
    return next((name for name in names if name in _KINDS), "")


def _empty(element: Element) -> None:
    """Remove the content of an element; the text that follows it stays."""
    tail = element.tail
    element.clear()
    element.tail = tail
    element.tag = "span"


def _admonition_label(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    walk.writer.set_label(plain_text(element), ":**")


def _tab_labels(walk: Walk, element: Element) -> None:
    walk.tab_labels = [
        plain_text(child)
        for child in element.iter("label", "li", "button", "a", "div")
        if plain_text(child) and not len(child)
    ] or [plain_text(child) for child in element if type(child.tag) is str]


def _tab_label(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    walk.writer.set_label(plain_text(element), "**")


def _tab_panel(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    if walk.tab_labels and "sd-tab-content" not in (element.get("class") or ""):
        walk.writer.set_label(walk.tab_labels.pop(0), "**")
    walk.children(element)
    walk.writer.finish_block()


def _field_label(walk: Walk, element: Element) -> None:
    """Write the label of a radio button, which is how themes make tabs without a script.

    Labels in a row belong to the panels that follow all of them.
    """
    before, after = element.getprevious(), element.getnext()
    if before is None or before.tag != "input" or before.get("type") != "radio":
        walk.children(element)
        return
    walk.writer.flush()
    text = plain_text(element)
    if not any(map(str.isalnum, text)):
        text = element.get("title") or ""
    if after is not None and after.tag == "input":
        walk.stacked_labels.append(text)
    elif not walk.stacked_labels:
        walk.writer.set_label(text, "**")
    else:
        labels = [*walk.stacked_labels, text]
        walk.stacked_labels.clear()
        panels = [panel for panel in element.itersiblings() if panel.tag in ("div", "section")]
        if len(panels) == len(labels):
            walk.label_of_panel.update(zip(panels, labels, strict=True))


BY_TAG: dict[str, Handler] = {"label": _field_label}
BY_PART: dict[Part, Handler] = {
    Part.ADMONITION: _admonition,
    Part.ADMONITION_TITLE: _admonition_label,
    Part.TAB_LABELS: _tab_labels,
    Part.TAB_LABEL: _tab_label,
    Part.TAB_PANEL: _tab_panel,
}
