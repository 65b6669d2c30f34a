"""The text of an element without permalinks and boilerplate."""

from __future__ import annotations

import re
from itertools import islice

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import HEADINGS, Part, part_of
from rag.sources.docs.html.elements import text_of
from rag.sources.docs.html.formulas import formula
from rag.sources.docs.html.writer import INVISIBLE
from rag.sources.markup.shifted import lowered, raised
from rag.sources.names import names
from rag.text.lines import one_line

__all__ = [
    "BLOCKS",
    "MAX_DEPTH",
    "follows_name",
    "is_next_to_word",
    "is_permalink",
    "plain_text",
    "shifted_tag",
    "visible_text",
]

#: Deeper nesting is read as flat text, far below the limit of Python's stack.
MAX_DEPTH = 120
BLOCKS = names(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol optgroup option p pre search section summary table "
    "tbody td tfoot th thead tr ul"
)
_MARKS = frozenset({"", "¶", "#", "§", "🔗", "\uf0c1", "◆", "•", "∞", "⚓", "↑", "⇧", "⤴", "↩"})
_SHIFT = re.compile(r"vertical-align:\s*(su[pb])(?:er)?\s*(?:;|$|!)")
# Words that name a permalink, and many other things.
_WORDS = frozenset({"link", "permalink", "anchor"})


def visible_text(element: Element, depth: int = 0, *, is_code: bool = False) -> str:
    """Return the text that a reader sees, its line breaks as newlines.

    :param is_code: the words of spans in a row may be one
    """
    if depth > MAX_DEPTH:
        return text_of(element)
    pieces = [element.text or ""]
    for child in element:
        if type(child.tag) is str and not (child.tag == "a" and is_permalink(child)):
            if not is_code and child.tag == "span" and follows_name(child):
                pieces.append(" ")
            pieces.append(_piece(child, "".join(pieces[-1:]), depth, is_code=is_code))
            if not is_code and child.tag == "span" and is_next_to_word(child):
                pieces.append(" ")
        pieces.append(child.tail or "")
    return "".join(pieces)


def _piece(child: Element, before: str, depth: int, *, is_code: bool) -> str:
    if child.tag == "br":
        return "\n"
    part = part_of(child)
    if part in (Part.BOILERPLATE, Part.HIDDEN):
        return ""
    if part is Part.MATH:
        return formula(child)
    text = visible_text(child, depth + 1, is_code=is_code or child.tag in ("code", "pre"))
    tag = shifted_tag(child)
    if tag == "sup":
        return raised(before, text)
    if tag == "sub":
        return lowered(before, text)
    return f" {text} " if tag in BLOCKS or part is Part.CELL else text


def shifted_tag(element: Element) -> str:
    """Return the tag of an element: `sup` or `sub` for a span that its style raises or lowers."""
    tag: str = element.tag
    if tag == "span" and (match := _SHIFT.search(element.get("style") or "")):
        return match[1]
    return tag


def plain_text(element: Element) -> str:
    """Return the text that a reader sees, on one line."""
    return one_line(INVISIBLE.sub("", visible_text(element)))


def is_next_to_word(span: Element) -> bool:
    """Return whether a span ends in a word that another span follows at once: themes set their boxes apart by style."""
    following = span.getnext()
    if span.tail or following is None or following.tag != "span":
        return False
    before, after = text_of(span), text_of(following)
    if min(len(before), len(after)) < _SHORTEST_WORD or not (before[-1].isalnum() and after[0].isalnum()):
        return False
    return max(before[-1], after[0]) < _FIRST_WITHOUT_SPACES


def follows_name(span: Element) -> bool:
    """Return whether a span is a word of its own right behind code or bold text: a type, "optional", a version."""
    before = span.getprevious()
    if before is not None and not before.tail and before.tag == "span" and not text_of(before):
        before = before.getprevious()  # a line between them
    if before is None or before.tail or before.tag not in _NAMES or "class" not in span.attrib:
        return False
    name, word = text_of(before), text_of(span)
    return len(word) >= _SHORTEST_WORD and name[-1:].isalnum() and word[0].isalnum()


_NAMES = frozenset({"code", "strong", "b"})
#: A single letter may be an initial that is set in another type.
_SHORTEST_WORD = 2
#: Scripts from here on are written without spaces.
_FIRST_WITHOUT_SPACES = "\u2e80"


def is_permalink(link: Element) -> bool:
    """Return whether a link is the mark beside a heading that links to the heading itself."""
    href = link.get("href") or ""
    if "#" not in href:
        return False
    text = one_line(text_of(link).replace("\u200b", "").replace("\ufe0e", "").replace("\ufe0f", "")).lower()
    if text in _MARKS:
        return next(link.iter("img"), None) is None
    return text in _WORDS and _stands_by(link, href.partition("#")[2]) and not _is_alone(link)


#: A heading with more links is not the text of one of them.
_MAX_LINKS = 4


def _is_alone(link: Element) -> bool:
    """Return whether a link is all the text of its heading or term."""
    above = next((above for above in link.iterancestors() if above.tag in HEADINGS or above.tag == "dt"), None)
    if above is None or next(islice(above.iter("a"), _MAX_LINKS, None), None) is not None:
        return False
    return one_line(text_of(above)) == one_line(text_of(link))


def _stands_by(link: Element, fragment: str) -> bool:
    """Return whether a link leads to the heading, the term or the box in which it stands."""
    for above in link.iterancestors():
        if above.get("id") == fragment or above.tag in HEADINGS or above.tag == "dt":
            return True
        if above.tag in BLOCKS and above.tag != "div":
            return False
    return False
