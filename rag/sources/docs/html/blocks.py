"""Headings, lists, quotations, definitions and code blocks."""

from __future__ import annotations

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import HEADINGS, Part, part_of
from rag.sources.docs.html.code import language_of, preformatted
from rag.sources.docs.html.elements import is_links, text_of
from rag.sources.docs.html.text import is_permalink, plain_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.sources.docs.html.writer import LINE_BREAK
from rag.sources.markup.code import code_span, fenced
from rag.text.lines import one_line

__all__ = ["BY_PART", "BY_TAG", "bold", "caption", "code", "number", "write_code"]


def _heading(walk: Walk, element: Element) -> None:
    writer = walk.writer
    writer.flush()
    card = next(element.iterancestors("a"), None)
    if card is not None and not card.get("href", "#").startswith("#"):
        caption(walk, element)  # it names another page, not a section of this one
        return
    anchor = _heading_anchor(walk, element) or writer.anchor
    text = plain_text(element).replace("{#", "{ #")
    if text and _is_deleted(element):
        text = f"~~{text}~~"
    if not text or walk.is_inline:
        writer.anchor = anchor
        writer.inline.append(text)
        writer.flush()
        return
    writer.write_label()
    writer.drop_indentation()
    walk.first_heading = walk.first_heading or text
    if element.tag == "h1":
        walk.h1 = walk.h1 or text
        walk.h1_count += 1
    writer.anchor = anchor
    writer.write_block(f"{'#' * int(element.tag[1])} {text}")


def _is_deleted(heading: Element) -> bool:
    """Return whether all the text of a heading is struck through."""
    struck = next(heading.iter("del", "s", "strike"), None)
    return struck is not None and one_line(text_of(struck)) == plain_text(heading)


def _heading_anchor(walk: Walk, element: Element) -> str | None:
    for link in element.iter("a"):
        href = link.get("href") or ""
        if href.startswith("#") and href[1:] in walk.fragments and is_permalink(link):
            return str(href[1:])
    own: str | None = element.get("id")
    if own and own in walk.fragments:
        return own
    return walk.anchor_inside(element, "id", "name")


def _marked_heading(walk: Walk, element: Element) -> None:
    """Write a heading that its role or its class marks."""
    level = number(element.get("aria-level")) or (2 if element.get("role") == "heading" else 1)
    element.tag = f"h{min(max(level, 1), 6)}"
    _heading(walk, element)


def _list(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    if next(element.iterancestors("header"), None) is not None and is_links(element):
        return  # a menu below the title
    walk.note_anchor(element)
    is_ordered = element.tag == "ol"
    position, step = _numbering(element)
    marker = "- "
    _stray_text(walk, element.text)
    for child in element:
        if type(child.tag) is not str or part_of(child) is Part.BOILERPLATE:
            pass
        elif child.tag in ("ul", "ol", "menu") and walk.writer.block_count:
            # A list that is not in an item belongs to the item before it.
            with walk.writer.indented("", " " * len(marker), used=True):
                walk.descend(child, _list)
        elif child.tag != "li" or child in walk.label_of_panel:
            walk.descend(child, Walk.element)
        else:
            position = _or_else(number(child.get("value")), position)
            marker = f"{position}. " if is_ordered else "- "
            _item(walk, child, marker)
            position += step
        _stray_text(walk, child.tail)
    walk.writer.end_list()


def _stray_text(walk: Walk, text: str | None) -> None:
    """Write text that stands in a list, but in none of its items."""
    if text and not text.isspace():
        walk.writer.inline.append(text)
        walk.writer.flush()


def _numbering(element: Element) -> tuple[int, int]:
    """Return the number of a list's first item, and what is added to it for the next."""
    step = -1 if "reversed" in element.attrib else 1
    first = sum(1 for child in element if child.tag == "li") if step < 0 else 1
    return _or_else(number(element.get("start")), first), step


def _or_else(value: int | None, default: int) -> int:
    return default if value is None else value


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
    walk.writer.finish_block()
    walk.note_anchor(element)
    with walk.writer.indented("> ", "> "):
        walk.children(element)
        walk.writer.finish_block()


def _definitions(walk: Walk, element: Element) -> None:
    if walk.is_in_contents or part_of(element) is Part.CONTENTS:
        _contents(walk, element)
    else:
        walk.writer.finish_block()  # a term whose definition is a list of terms is no synonym of the first
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
    anchor = walk.find_anchor(element)
    if _write_heading_inside(walk, element):
        return
    if "sig" in (element.get("class") or "").split():
        text = code_span(_signature(element))
    else:
        text = walk.text(element, is_bold=True)
        text = text if anchor and text.startswith("`") else bold(text)
    if text:
        writer.set_term(text, anchor)
    else:
        writer.anchor = anchor or writer.anchor


def _definition(walk: Walk, element: Element) -> None:
    """Write a definition; the last one of a list says which of the paragraphs below it still belong to it."""
    walk.writer.flush()
    if element.getnext() is None and not walk.is_inline and walk.writer.may_hang:
        walk.note_anchor(element)
        with walk.writer.defining():
            walk.children(element)
            walk.writer.flush()
    else:
        walk.block(element)


def _signature(element: Element) -> str:
    return plain_text(element).removesuffix("[source]").strip()


def _summary(walk: Walk, element: Element) -> None:
    walk.writer.flush()
    if not _write_heading_inside(walk, element):
        walk.writer.set_label(walk.text(element, is_bold=True), "**")


def _write_heading_inside(walk: Walk, element: Element) -> bool:
    """Write the heading in a term or summary, and below it the text beside it; return whether there is one."""
    heading = None if walk.is_inline else next(element.iter(*HEADINGS), None)
    if heading is None:
        return False
    named = (outer.get("id") for outer in (*heading.iterancestors("section", "span", "div", "a"), element))
    inside = next((name for name in named if name and walk.is_anchor(element, name)), None)
    if inside is None or inside not in {inner.get("id") for inner in element.iter("*")}:
        inside = walk.anchor_inside(element, "id", "name")
    walk.writer.anchor = inside
    _heading(walk, heading)
    tail, heading.tail = heading.tail, None
    heading.clear()
    heading.tag, heading.tail = "span", tail
    walk.children(element)
    walk.writer.flush()
    return True


def code(walk: Walk, element: Element) -> None:
    """Write the code in an element as a block, or as code spans if it is a part of a line."""
    write_code(walk, preformatted(element), language_of(element), element)


def write_code(walk: Walk, text: str, language: str, element: Element) -> None:
    """Write code.

    :param element: holds the code, and may be a place that people link to
    """
    writer = walk.writer
    if not text.strip():
        return
    if walk.is_inline:
        spans = [code_span(one_line(line)) for line in text.split("\n") if line.strip()]
        writer.inline += [" ", LINE_BREAK.join(spans), " "]
        return
    if language and one_line("".join(writer.inline)).lower() in (language, _title_of(language)):
        writer.inline.clear()  # the theme shows the language as a label
    writer.flush()
    walk.note_anchor(element)
    writer.write_label()
    writer.write_verbatim(fenced(text, language))


def _title_of(language: str) -> str:
    return {"sh": "shell", "js": "javascript", "ts": "typescript", "py": "python"}.get(language, language)


def caption(walk: Walk, element: Element) -> None:
    """Write the title of a table, figure or code block in bold."""
    walk.writer.flush()
    text = walk.text(element, is_bold=True)
    if text:
        walk.writer.write_paragraph(bold(text))


def bold(text: str) -> str:
    """Return a line in bold, as it is if there is nothing to mark."""
    return f"**{text}**" if text and not text.startswith("**") else text


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
    "dd": _definition,
    "blockquote": _quotation,
    **dict.fromkeys(("pre", "listing", "xmp"), code),
    "figcaption": caption,
    "summary": _summary,
    "hr": _rule,
}
BY_PART: dict[Part, Handler] = {Part.HEADING: _marked_heading, Part.CAPTION: caption}
