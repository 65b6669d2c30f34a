"""Inline elements: emphasis, code spans, links, images, formulas."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from lxml import etree
from lxml.etree import _Element as Element

from rag.sources.docs.html.blocks import write_code
from rag.sources.docs.html.boilerplate import Part
from rag.sources.docs.html.code import language_of, unwrapped
from rag.sources.docs.html.elements import text_of
from rag.sources.docs.html.formulas import formula
from rag.sources.docs.html.text import is_permalink, plain_text, visible_text
from rag.sources.docs.html.walk import Handler, Walk
from rag.sources.docs.html.writer import LINE_BREAK
from rag.sources.markup.code import code_span
from rag.sources.markup.shifted import lowered, raised
from rag.text.lines import one_line

__all__ = ["BY_PART", "BY_TAG"]

# Nothing else is called this.
_TOOL_LINK = re.compile(
    r"^(?:edit this(?: page| on github)?|edit (?:page|on github)|improve this (?:page|doc|topic)|"
    r"suggest (?:an )?edits?|view page source|show source|report an issue|\[source\]|\[edit\]|copy page|back to top)$",
    re.IGNORECASE,
)
# Other things are called this as well: commands, chapters, elements.
_TOOL_WORD = re.compile(r"^(?:edit|copy|view source|source|link)$", re.IGNORECASE)
_TOOL_ADDRESS = re.compile(
    r"/edit/|/blob/|/tree/|/issues/new|_sources/|action=edit|view-?source(?![\w-]*\.html?)", re.IGNORECASE
)
_MAX_EDIT_LINK = 24
#: How many children of a block are looked at for text.
_NEAR = 30
_TEXT_BLOCKS = ("p", "li", "dd", "td", "h1", "h2", "h3", "h4", "h5", "h6")


def _strong(walk: Walk, element: Element) -> None:
    if walk.is_bold:
        walk.note_anchor(element)
        walk.children(element)
    else:
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
    opening = mark
    if not before and position and _ends_in(writer.inline[position - 1], mark):
        # Two in a row are one: their marks would be part of neither.
        writer.inline[position - 1] = writer.inline[position - 1][: -len(mark)]
        opening = ""
    writer.inline[position:] = [f"{before}{opening}{text}{mark}{after}"]


def _ends_in(text: str, mark: str) -> bool:
    """Return whether text ends in bold or emphasis, with this mark and no other."""
    bare = text.removesuffix(mark)
    return bare != text and not bare.endswith("*") and mark in bare


def _deleted(walk: Walk, element: Element) -> None:
    """Write text that is struck through, each paragraph of its own, so that nobody takes it for valid."""
    blocks = [
        block for block in element.iter(*_TEXT_BLOCKS) if next(block.iterdescendants(*_TEXT_BLOCKS), None) is None
    ]
    if blocks and blocks != [element]:
        for block in blocks:
            _wrap(block, "del")
        walk.block(element)
        return
    writer = walk.writer
    walk.note_anchor(element)
    position, block_count = len(writer.inline), writer.block_count
    walk.children(element)
    inner = "".join(writer.inline[position:])
    text = inner.strip()
    if writer.block_count == block_count and text and "~~" not in text:
        writer.inline[position:] = [inner.replace(text, f"~~{text}~~")]


def _wrap(block: Element, tag: str) -> None:
    """Put the content of an element into another inside it."""
    inner = etree.Element(tag)
    inner.text, block.text = block.text, None
    for child in list(block):
        inner.append(child)
    block.append(inner)


def _code(walk: Walk, element: Element) -> None:
    if len(element) and _is_block(walk, element):
        return
    walk.note_anchor(element)
    shown = visible_text(element, is_code=True)
    text = one_line(shown)
    if not text:
        walk.writer.inline.append(" " if shown else "")
        return
    inline = walk.writer.inline
    if inline and inline[-1].endswith("`") and not inline[-1].endswith("``"):
        # Two spans in a row are one: a closing backtick that meets an opening one would be part of neither.
        inline[-1] = inline[-1][:-1] + code_span(text)[1:]
    else:
        inline.append(code_span(text))


def _is_block(walk: Walk, element: Element) -> bool:
    """Write code of several lines, or around a pre, as blocks; return False if it is a part of a line."""
    if next(element.iter("pre"), None) is not None:
        walk.children(element)
        return True
    if next(element.iter("br", "div", "p", "li"), None) is None or "\n" not in (text := unwrapped(element)):
        return False
    write_code(walk, text, language_of(element), element)
    return True


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
    following = element.getnext()
    if following is not None and following.tag == "a" and not element.tail and text_of(following)[:1].isalnum():
        writer.inline.append(" ")  # links that stand side by side are shown apart
    href = element.get("href") or ""
    if len(text) < _MAX_EDIT_LINK and _is_tool(element, text, href):
        del writer.inline[position:]
        return
    target = walk.external(href)
    if text and target and text.rstrip("/") not in (target.rstrip("/"), target.partition("://")[2].rstrip("/")):
        inner = "".join(writer.inline[position:])
        writer.inline[position:] = [inner.replace(text, f"[{_with_pairs(text)}]({target})")]


def _is_tool(element: Element, text: str, href: str) -> bool:
    """Return whether a link is a tool of the page, such as its source, instead of a word of its text."""
    if _TOOL_LINK.match(text):
        return True
    if href.startswith("#") and not text_of(element).strip() and not _is_in_text(element):
        return True  # an icon that leads to the top of the page
    if text == "Source" and element.get("class") == "link":  # behind Haddock's declarations
        return True
    if not _TOOL_WORD.match(text) or _is_in_text(element):
        return False
    return href.startswith("javascript:") or href in ("", "#") or bool(_TOOL_ADDRESS.search(href))


def _is_in_text(element: Element) -> bool:
    """Return whether text stands beside an element in its block."""
    parent = element.getparent()
    if parent is None:
        return False
    around = [parent.text, element.tail, *(child.tail for child in islice(parent, _NEAR))]
    return any(character.isalnum() for text in around for character in text or "")


def _with_pairs(text: str) -> str:
    """Return the text of a link with a backslash before its brackets if they are not in pairs."""
    depth = 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth < 0:
            break
    return text if depth == 0 else re.sub(r"([\[\]])", r"\\\1", text)


def _image(walk: Walk, element: Element) -> None:
    alt = one_line(element.get("alt") or "")
    if alt and "badge" not in (element.get("src") or ""):
        inline = walk.writer.inline
        is_joined = bool(inline) and inline[-1][-1:].isalnum()
        inline.append(f"{' ' * is_joined}{alt}{' ' * (element.tail or '')[:1].isalnum()}")


def _line_break(walk: Walk, _element: Element) -> None:
    walk.writer.inline.append(LINE_BREAK)


def _superscript(walk: Walk, element: Element) -> None:
    _shifted(walk, element, raised)


def _subscript(walk: Walk, element: Element) -> None:
    _shifted(walk, element, lowered)


def _shifted(walk: Walk, element: Element, shifted: Callable[[str, str], str]) -> None:
    """Write raised or lowered text; as it is if a link is in it, which is the mark of a footnote."""
    text = plain_text(element)
    before = walk.writer.inline[-1] if walk.writer.inline else ""
    if not text or (shifted is lowered and next(element.iter("a", "code"), None) is not None):
        walk.children(element)
    else:
        walk.note_anchor(element)
        is_apart = text_of(element)[-1:].isspace()
        walk.writer.inline.append(shifted(before, text) + " " * is_apart)


def _quoted(walk: Walk, element: Element) -> None:
    walk.writer.inline.append("“")
    walk.children(element)
    walk.writer.inline.append("”")


def _ruby_text(walk: Walk, element: Element) -> None:
    """Write the reading of a word in parentheses, which the page may have for browsers without ruby text."""
    before = element.getprevious()
    has_parentheses = before is not None and before.tag == "rp"
    walk.writer.inline.append("" if has_parentheses else "(")
    walk.children(element)
    walk.writer.inline.append("" if has_parentheses else ")")


def _formula(walk: Walk, element: Element) -> None:
    if text := formula(element):
        walk.writer.inline.append(text)


BY_TAG: dict[str, Handler] = {
    **dict.fromkeys(("strong", "b"), _strong),
    **dict.fromkeys(("em", "i", "cite", "dfn"), _emphasis),
    **dict.fromkeys(("del", "s", "strike"), _deleted),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), _code),
    "a": _link,
    "img": _image,
    "br": _line_break,
    "sup": _superscript,
    "sub": _subscript,
    "q": _quoted,
    "rt": _ruby_text,
}
BY_PART: dict[Part, Handler] = {Part.MATH: _formula, Part.DELETED: _deleted, Part.CELL: Walk.apart}
