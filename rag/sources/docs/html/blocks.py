"""Headings, lists, quotations, definitions and code blocks."""

from __future__ import annotations

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import Part, part_of
from rag.sources.docs.html.code import language_of, preformatted
from rag.sources.docs.html.text import is_permalink, plain_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.sources.markup.code import code_span, fenced

__all__ = ["BY_TAG", "HEADINGS", "caption", "code", "number"]

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


def _heading(walk: Walk, element: Element) -> None:
    writer = walk.writer
    writer.flush()
    card = next(element.iterancestors("a"), None)
    if card is not None and not card.get("href", "#").startswith("#"):
        caption(walk, element)  # it names another page, not a section of this one
        return
    anchor = _heading_anchor(walk, element) or writer.anchor
    text = plain_text(element).replace("{#", "{ #")
    if not text:
        writer.anchor = anchor
        return
    writer.write_label()
    writer.drop_indentation()
    walk.first_heading = walk.first_heading or text
    if element.tag == "h1":
        walk.h1 = walk.h1 or text
        walk.h1_count += 1
    writer.anchor = anchor
    writer.write_block(f"{'#' * int(element.tag[1])} {text}")


def _heading_anchor(walk: Walk, element: Element) -> str | None:
    for link in element.iter("a"):
        href = link.get("href") or ""
        if href.startswith("#") and href[1:] in walk.fragments and is_permalink(link):
            return str(href[1:])
    own: str | None = element.get("id")
    if own and own in walk.fragments:
        return own
    return walk.anchor_inside(element, "id", "name")


def _list(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    walk.note_anchor(element)
    position = number(element.get("start")) or 1
    is_ordered = element.tag == "ol"
    for child in element:
        if type(child.tag) is not str:
            continue
        if child.tag != "li":
            walk.element(child)
            continue
        if part_of(child) is Part.BOILERPLATE:
            continue
        _item(walk, child, f"{number(child.get('value')) or position}. " if is_ordered else "- ")
        position += 1
    walk.writer.end_list()


def _item(walk: Walk, element: Element, marker: str) -> None:
    walk.writer.finish_block()
    walk.note_anchor(element)
    with walk.writer.indented(marker, " " * len(marker)):
        walk.children(element)
        walk.writer.finish_block()


def _stray_item(walk: Walk, element: Element) -> None:
    """Write an item that is not in a list."""
    _item(walk, element, "- ")


def _quotation(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    walk.note_anchor(element)
    with walk.writer.indented("> ", "> "):
        walk.children(element)
        walk.writer.finish_block()


def _definitions(walk: Walk, element: Element) -> None:
    if walk.is_in_contents or part_of(element) is Part.CONTENTS:
        _contents(walk, element)
    else:
        walk.block(element)


def _contents(walk: Walk, element: Element) -> None:
    """Write DocBook's table of contents, which uses the tags of a definition list."""
    walk.writer.flush()
    outer, walk.is_in_contents = walk.is_in_contents, True
    for child in element:
        if child.tag == "dt":
            _item(walk, child, "- ")
        elif child.tag == "dd":
            with walk.writer.indented("  ", "  ", used=True):
                walk.children(child)
                walk.writer.flush()
    walk.is_in_contents = outer


def _term(walk: Walk, element: Element) -> None:
    writer = walk.writer
    writer.flush()
    anchor = element.get("id")
    if not anchor or not walk.is_anchor(element, anchor):
        anchor = walk.anchor_inside(element, "id")
    is_signature = "sig" in (element.get("class") or "").split()
    text = code_span(_signature(element)) if is_signature else walk.text(element)
    if not text:
        writer.anchor = anchor or writer.anchor
    elif anchor:
        writer.write_label()
        writer.anchor = anchor
        writer.write_block(text if text.startswith("`") else f"**{text}**")
    else:
        writer.set_term(text)


def _signature(element: Element) -> str:
    return plain_text(element).removesuffix("[source]").strip()


def _summary(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    walk.writer.set_label(walk.text(element), "**")


def code(walk: Walk, element: Element) -> None:
    """Write a code block."""
    walk.writer.flush()
    walk.note_anchor(element)
    text = preformatted(element)
    if text.strip():
        walk.writer.write_label()
        walk.writer.write_verbatim(fenced(text, language_of(element)))


def caption(walk: Walk, element: Element) -> None:
    """Write the title of a table, figure or code block in bold."""
    walk.writer.flush()
    text = walk.text(element)
    if text:
        walk.writer.write_paragraph(text if text.startswith("**") else f"**{text}**")


def _rule(walk: Walk, _element: Element) -> None:
    walk.writer.flush()


def number(value: str | None) -> int | None:
    """Return the number that an attribute holds, None if it holds none of up to eight digits."""
    return int(value) if value and value.isdigit() and len(value) < 9 else None


BY_TAG: dict[str, Handler] = {
    **dict.fromkeys(HEADINGS, _heading),
    **dict.fromkeys(("ul", "ol", "menu"), _list),
    "li": _stray_item,
    "dl": _definitions,
    "dt": _term,
    "blockquote": _quotation,
    "pre": code,
    "figcaption": caption,
    "summary": _summary,
    "hr": _rule,
}
