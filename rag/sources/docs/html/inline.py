"""Inline elements: emphasis, code spans, links, images, formulas."""

from __future__ import annotations

import re

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import Part
from rag.sources.docs.html.text import is_permalink, plain_text, visible_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.sources.docs.html.writer import LINE_BREAK
from rag.sources.markup.code import code_span
from rag.text.lines import one_line

__all__ = ["BY_PART", "BY_TAG"]

_EDIT_LINK = re.compile(
    r"^(?:edit(?: this)?(?: page| on github)?|improve this page|suggest (?:an )?edits?|view (?:page )?source|"
    r"show source|report an issue|"
    r"\[source\]|\[edit\]|copy|copy page|back to top)$",
    re.IGNORECASE,
)
_MAX_EDIT_LINK = 24


def _strong(walk: Walk, element: Element) -> None:
    _mark(walk, element, "**")


def _emphasis(walk: Walk, element: Element) -> None:
    _mark(walk, element, "*")


def _mark(walk: Walk, element: Element, mark: str) -> None:
    """Write the text of an element between two marks; without them if it holds blocks, code or the mark itself."""
    writer = walk.writer
    walk.note_anchor(element)
    position = len(writer.inline)
    block_count = writer.block_count
    walk.children(element)
    if writer.block_count != block_count or position > len(writer.inline):
        return
    inner = "".join(writer.inline[position:])
    text = inner.strip()
    if not text or text.startswith("`") or mark in text:
        return
    before = inner[: len(inner) - len(inner.lstrip())]
    after = inner[len(inner.rstrip()) :]
    writer.inline[position:] = [f"{before}{mark}{text}{mark}{after}"]


def _code(walk: Walk, element: Element) -> None:
    if element.find(".//pre") is not None:
        walk.children(element)
        return
    walk.note_anchor(element)
    text = one_line(visible_text(element))
    if not text:
        return
    inline = walk.writer.inline
    if inline and inline[-1].endswith("`") and not inline[-1].endswith("``"):
        # Two spans in a row are one: a closing backtick that meets an opening one would be part of neither.
        inline[-1] = inline[-1][:-1] + code_span(text)[1:]
    else:
        inline.append(code_span(text))


def _link(walk: Walk, element: Element) -> None:
    if is_permalink(element):
        return
    writer = walk.writer
    walk.note_anchor(element)
    position = len(writer.inline)
    block_count = writer.block_count
    walk.children(element)
    if writer.block_count != block_count:
        return
    text = "".join(writer.inline[position:]).strip()
    if len(text) < _MAX_EDIT_LINK and _EDIT_LINK.match(text):
        del writer.inline[position:]
        return
    target = walk.external(element.get("href") or "")
    if text and target and text.rstrip("/") not in (target.rstrip("/"), target.partition("://")[2].rstrip("/")):
        inner = "".join(writer.inline[position:])
        writer.inline[position:] = [inner.replace(text, f"[{text}]({target})")]


def _image(walk: Walk, element: Element) -> None:
    alt = one_line(element.get("alt") or "")
    if alt and "badge" not in (element.get("src") or ""):
        walk.writer.inline.append(alt)


def _line_break(walk: Walk, _element: Element) -> None:
    walk.writer.inline.append(LINE_BREAK)


def _superscript(walk: Walk, element: Element) -> None:
    text = plain_text(element)
    before = walk.writer.inline[-1] if walk.writer.inline else ""
    if text and before and before[-1:].isalnum() and re.fullmatch(r"[-+]?\w{1,6}", text):
        walk.writer.inline.append(f"^{text}")
    else:
        walk.children(element)


def _quoted(walk: Walk, element: Element) -> None:
    walk.writer.inline.append("“")
    walk.children(element)
    walk.writer.inline.append("”")


def _math(walk: Walk, element: Element) -> None:
    tex = next((note.text for note in element.iter("annotation") if "tex" in (note.get("encoding") or "")), None)
    walk.writer.inline.append(plain_text(element) if tex is None else f"${tex.strip()}$")


BY_TAG: dict[str, Handler] = {
    **dict.fromkeys(("strong", "b"), _strong),
    **dict.fromkeys(("em", "i", "cite", "dfn"), _emphasis),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), _code),
    "a": _link,
    "img": _image,
    "br": _line_break,
    "sup": _superscript,
    "q": _quoted,
}
BY_PART: dict[Part, Handler] = {Part.MATH: _math}
