"""Tabs: every panel below the label of its tab.

Generators put the labels between the panels or in a box before them, and tie both by ids or by order only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import Part, part_of
from rag.sources.docs.html.elements import text_of
from rag.sources.docs.html.text import MAX_DEPTH, plain_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.text.lines import one_line

__all__ = ["BY_PART", "BY_TAG"]

_NO_LABELS = frozenset({"input", "script", "style", "template", "svg"})
_REFERENCES = ("aria-controls", "href", "data-target", "data-bs-target", "data-tab", "panel", "for", "data-value")
_OWN_LABELS = ("data-tabname", "data-title", "data-label", "data-tab-label", "aria-label", "title", "label")
#: How many boxes around the labels may stand between them and the panels.
_MAX_BOXES = 3


def _tab_labels(walk: Walk, element: Element) -> None:
    """Give the panels that belong to a box of labels their labels."""
    walk.writer.flush()
    labels = _labels_in(element)
    texts = [_text(label) for label in labels]
    panels = _panels_after(element, len(labels))
    if panels:
        _assign(walk, labels, texts, panels)
    else:
        walk.tab_labels = texts


def _labels_in(box: Element) -> list[Element]:
    """Return the labels in a box, or in the only list in it."""
    children = [child for child in box if type(child.tag) is str and child.tag not in _NO_LABELS]
    while len(children) == 1 and part_of(children[0]) is not Part.TAB_LABEL and len(children[0]):
        inner = [child for child in children[0] if type(child.tag) is str and child.tag not in _NO_LABELS]
        if not inner or children[0].tag in ("label", "button", "a", "li"):
            break
        children = inner
    return [child for child in children if _text(child)]


def _text(label: Element) -> str:
    """Return the text of a label, or its title if it only shows an icon."""
    text = plain_text(label) or one_line(text_of(label))
    if any(map(str.isalnum, text)):
        return text
    named = (element.get(name) for element in label.iter("*") for name in ("data-title", "title", "aria-label"))
    return next(filter(None, named), "")


def _panels_after(element: Element, count: int) -> list[Element]:
    """Return the panels that follow a box of labels, or follow one of the boxes around it."""
    box = element
    for level in range(_MAX_BOXES):
        panels = list(takewhile(_is_panel, _parts_after(box)))
        if not panels and level < _MAX_BOXES - 1 and count > 1:
            panels = _panels_by_order(box, count)
        if panels or (box := box.getparent()) is None or box.tag in ("body", "main", "article"):
            return panels
    return []


def _is_panel(element: Element) -> bool:
    return part_of(element) is Part.TAB_PANEL


def _parts_after(box: Element) -> Iterator[Element]:
    """Yield the panels after an element, without those inside another panel, and the labels of other panels."""
    for sibling in box.itersiblings("*"):
        yield from _parts_in(sibling, 0)


def _parts_in(element: Element, depth: int) -> Iterator[Element]:
    if part_of(element) in (Part.TAB_PANEL, Part.TAB_LABELS):
        yield element
    elif depth < MAX_DEPTH:
        for child in element.iterchildren("*"):
            yield from _parts_in(child, depth + 1)


def _panels_by_order(box: Element, count: int) -> list[Element]:
    """Return as many elements as there are labels: the children of the next element, or the next elements."""
    following = next(box.itersiblings("*"), None)
    if following is None:
        return []
    children = [child for child in following.iterchildren("*") if child.tag not in _NO_LABELS]
    if len(children) == count:
        return children
    blocks = takewhile(lambda sibling: sibling.tag in ("div", "section", "pre", "figure"), box.itersiblings("*"))
    found = list(islice(blocks, count + 1))
    return found if len(found) == count else []


def _assign(walk: Walk, labels: Sequence[Element], texts: Sequence[str], panels: Sequence[Element]) -> None:
    """Tie labels and panels: by the ids that they name, else by order."""
    by_name = {name: text for label, text in zip(labels, texts, strict=True) for name in _names(label)}
    is_filter = len(panels) == 1 and len(labels) > 1
    for position, panel in enumerate(panels):
        names = [panel.get(name) or "" for name in ("id", "aria-labelledby", "name", "data-tab", "data-value")]
        text = next((by_name[name] for name in names if name and name in by_name), None)
        if text is None and position < len(texts):
            text = texts[position]
        if text and not is_filter:
            walk.label_of_panel[panel] = text


def _names(label: Element) -> Iterator[str]:
    """Yield the ids that tie a label to its panel: those it names, and its own."""
    for element in label.iter("*"):
        yield from (value.removeprefix("#") for name in _REFERENCES if (value := element.get(name)))
        if own := element.get("id"):
            yield own


def _tab_label(walk: Walk, element: Element) -> None:
    """Write a label that stands before its panel, or assign a row of labels to the panels after them."""
    walk.writer.flush()
    before = element.getprevious()
    if before is not None and part_of(before) is Part.TAB_LABEL:
        return  # it was assigned with the first of its row
    row = [element, *takewhile(lambda sibling: part_of(sibling) is Part.TAB_LABEL, element.itersiblings("*"))]
    panels = _panels_after(row[-1], len(row)) if len(row) > 1 else []
    if panels:
        _assign(walk, row, [_text(label) for label in row], panels)
    else:
        walk.writer.set_label(_text(element), "**")


def _tab_panel(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    if not walk.writer.has_label:
        own = next((value for name in _OWN_LABELS if (value := element.get(name))), "")
        if walk.tab_labels and "sd-tab-content" not in (element.get("class") or ""):
            walk.writer.set_label(walk.tab_labels.pop(0), "**")
        elif own:
            walk.writer.set_label(own, "**")
    walk.children(element)
    walk.writer.finish_block()


def _field_label(walk: Walk, element: Element) -> None:
    """Write the label of a radio button, which is how themes make tabs without a script.

    Labels in a row belong to the panels that follow all of them.
    """
    before = element.getprevious()
    if before is None or before.tag != "input" or before.get("type") != "radio":
        walk.apart(element)
        return
    walk.writer.flush()
    if _is_radio(element.getnext()) or _is_after_label(before):
        if not _is_after_label(before):
            row = [element, *_labels_below(element)]
            panels = [panel for panel in row[-1].itersiblings() if panel.tag in ("div", "section", "pre", "figure")]
            if len(panels) == 1 and len(panels[0]) == len(row):
                panels = list(panels[0])
            if len(panels) == len(row):
                _assign(walk, row, [_text(label) for label in row], panels)
        return
    walk.writer.set_label(_text(element), "**")


def _is_radio(element: Element | None) -> bool:
    return element is not None and element.tag == "input" and element.get("type") == "radio"


def _is_after_label(radio: Element) -> bool:
    """Return whether a label of the same row precedes a radio button."""
    before = radio.getprevious()
    return before is not None and before.tag == "label"


def _labels_below(label: Element) -> Iterator[Element]:
    row = takewhile(lambda sibling: sibling.tag in ("input", "label"), label.itersiblings("*"))
    return (sibling for sibling in row if sibling.tag == "label")


BY_TAG: dict[str, Handler] = {"label": _field_label}
BY_PART: dict[Part, Handler] = {
    Part.TAB_LABELS: _tab_labels,
    Part.TAB_LABEL: _tab_label,
    Part.TAB_PANEL: _tab_panel,
}
