"""Rewrite the links and images of a Markdown paragraph, and turn its inline HTML into Markdown.

Links are found by the rules of CommonMark 0.31: code spans, autolinks and tags bind tighter than brackets, and a link
contains no other link. Every step is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape

from markdown_it.common.utils import normalizeReference

from rag.sources.markup.shifted import lowered, raised
from rag.sources.names import names

__all__ = ["BADGE", "Target", "attributes", "code_spans", "link_target", "rewrite"]

#: Returns the address to write for the target of a link or image, or None to keep only its text.
Target = Callable[[str], str | None]


_MAX_DEPTH = 20
_SPECIAL = re.compile(r"\\.|`+|<|!\[|\[|\]", re.DOTALL)
_AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>|<[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+>")
_TAG = re.compile(
    r"<(?P<closing>/?)(?P<name>[A-Za-z][\w-]*)"
    r"(?P<attributes>(?:\s+[A-Za-z_:@][\w:@.-]*(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?)*)\s*/?>"
)
_ATTRIBUTE = re.compile(r"([A-Za-z_:@][\w:@.-]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")
#: The text and the closing tag of <sup> and <sub>; a link in it is the mark of a footnote.
_SHIFTED = re.compile(r"([^<>\[\]`\n]{1,40})</(sup|sub)\s*>", re.IGNORECASE)
_SHIFTS = {"sup": raised, "sub": lowered}
_NEAR = 24
_MAX_LABEL = 999
_LABEL = re.compile(r"\[((?:[^\[\]\\]|\\.){0,999})\]", re.DOTALL)
_TITLE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)", re.DOTALL)
_POINTED = re.compile(r"<((?:[^<>\n\\]|\\.)*)>")
_SPACES = re.compile(r"[ \t]*\n?[ \t]*")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
BADGE = re.compile(r"badge|shields\.io|travis-ci|codecov", re.IGNORECASE)
# Tags for the look of text. Others may be placeholders such as <name> that the author forgot to escape.
_STYLE_TAGS = names(
    "a abbr acronym b bdi bdo big center cite data del dfn em font i ins kbd label mark nobr q rp rt ruby s samp "
    "small span strike strong sub sup time tt u var wbr picture source"
)
#: Tags that mean nothing without attributes.
_NAMES = names("path object param source link meta track iframe data")
_BREAK_TAGS = names(
    "address article aside blockquote body br caption center col colgroup dd details dialog div dl dt fieldset "
    "figcaption figure footer form header hr html iframe legend li link main meta nav ol optgroup option p param "
    "section summary table tbody td tfoot th thead tr track ul video audio svg path object button input"
)


# The beginning of a comment is left as it is.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|(?!lt;!--)[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_MARKUP = frozenset("*_`[]#|\\~\n\0")


@dataclass(slots=True)
class _Link:
    """A link or image from `start` to `end`, and its text from `text` to `close`."""

    start: int
    text: int
    close: int
    end: int
    target: str
    is_image: bool
    #: the title with its quotes; of an <img>, its alternative text
    title: str = ""
    is_html: bool = False


@dataclass(slots=True)
class _Opener:
    start: int
    text: int
    is_image: bool
    is_active: bool = True
    holds_brackets: bool = False


@dataclass(slots=True)
class _Found:
    """The links, code spans and tags of a paragraph, by position."""

    links: dict[int, _Link] = field(default_factory=dict)
    #: the ends of spans that stay unchanged
    verbatim: dict[int, int] = field(default_factory=dict)
    #: tags and comments: their ends and replacements
    tags: dict[int, tuple[int, str]] = field(default_factory=dict)
    #: the position of the last end of a comment
    last_comment: int = -1


def rewrite(text: str, *, link: Target, image: Target, references: Mapping[str, str] | None = None) -> str:
    """Return a paragraph with the targets of its links and images replaced.

    :param link: called with the target of each link
    :param image: called with the target of each image
    :param references: the targets of reference definitions, `[label]: target`, by normalised label
    """
    if not _SPECIAL.search(text):
        return _decoded(text)
    found = _find(text, references or {})
    return _written(text, 0, len(text), found, link, image, 0)


def _decoded(text: str) -> str:
    """Return text with the characters that entities stand for, except for those that mean something in Markdown."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    character = unescape(entity[0])
    return entity[0] if character in _MARKUP else character.replace("\xa0", " ")


def _find(text: str, references: Mapping[str, str]) -> _Found:
    found = _Found(verbatim=code_spans(text), last_comment=text.rfind("-->"))
    openers: list[_Opener] = []
    anchors: list[tuple[int, int, str | None]] = []
    inactive = 0  # so many openers are outside of a link, and begin none
    at = 0
    while match := _SPECIAL.search(text, at):
        start, at = match.start(), match.end()
        mark = match[0]
        if mark[0] == "`":
            at = found.verbatim.get(start, at)
        elif mark == "<":
            at = _angle(text, start, found, anchors) or at
        elif mark in ("[", "!["):
            if openers:
                openers[-1].holds_brackets = True
            openers.append(_Opener(start, at, mark == "!["))
        elif mark == "]" and openers:
            opener = openers.pop()
            inactive = min(inactive, len(openers))
            if opener.is_active and (made := _closed(text, opener, start, references)):
                found.links[made.start] = made
                at = made.end
                if not made.is_image:
                    for outer in openers[inactive:]:
                        outer.is_active = outer.is_image
                    inactive = len(openers)
    return found


def _angle(text: str, start: int, found: _Found, anchors: list[tuple[int, int, str | None]]) -> int | None:
    """Read the autolink, comment or tag that begins with a `<`; return its end, None if there is none."""
    if match := _AUTOLINK.match(text, start):
        found.verbatim[start] = match.end()
        return match.end()
    if text.startswith("<!--", start) and start < found.last_comment:
        end = text.index("-->", start) + 3
        found.tags[start] = (end, "")
        return end
    match = _TAG.match(text, start)
    if not match:
        return None
    name = match["name"].lower()
    end = match.end()
    if name == "a":
        if not match["closing"]:
            anchors.append((start, end, attributes(match["attributes"]).get("href")))
        elif anchors:
            opened, inner, href = anchors.pop()
            if href:
                found.links[opened] = _Link(opened, inner, start, end, unescape(href), is_image=False, is_html=True)
        found.tags[start] = (end, "")
    elif name == "img":
        given = attributes(match["attributes"])
        alt = unescape(given.get("alt", "")).replace("[", r"\[").replace("]", r"\]")
        found.links[start] = _Link(
            start, end, end, end, unescape(given.get("src", "")), is_image=True, title=alt, is_html=True
        )
    elif name == "code":
        found.tags[start] = (end, "`")
    elif name in _SHIFTS and (shifted := _SHIFTED.match(text, end)) and shifted[2].lower() == name:
        end = shifted.end()
        found.tags[start] = (end, _SHIFTS[name](text[max(0, start - _NEAR) : start], shifted[1]))
    elif name in _NAMES and not match["attributes"] and not match["closing"] and f"</{name}" not in text:
        pass  # a name that stands for something, as in "acme --to <path>"
    elif name in _BREAK_TAGS:
        found.tags[start] = (end, " ")
    elif name in _STYLE_TAGS:
        found.tags[start] = (end, "")
    return end


def _closed(text: str, opener: _Opener, close: int, references: Mapping[str, str]) -> _Link | None:
    """Return the link that a closing bracket ends, None if it ends none."""
    after = close + 1
    if text.startswith("(", after) and (inline := _destination(text, after + 1)):
        target, title, end = inline
        return _Link(opener.start, opener.text, close, end, target, opener.is_image, title)
    if not references:
        return None
    label, end, may_be_label = text[opener.text : close], after, not opener.holds_brackets
    if match := _LABEL.match(text, after):
        end = match.end()
        if match[1]:
            label, may_be_label = match[1], True
    if not may_be_label or len(label) > _MAX_LABEL or label.startswith("^"):
        return None
    found = references.get(normalizeReference(label))
    return None if found is None else _Link(opener.start, opener.text, close, end, found, opener.is_image)


def _destination(text: str, start: int) -> tuple[str, str, int] | None:
    """Read `target "title")`; return the target, the title with its quotes, and the end."""
    at = _skipped(text, start)
    if match := _POINTED.match(text, at):
        target, at = match[1], match.end()
    else:
        end = _bare_end(text, at)
        if end is None:
            return None
        target, at = text[at:end], end
    title = ""
    gap = _skipped(text, at)
    if gap > at and (match := _TITLE.match(text, gap)):
        title, gap = match[0], _skipped(text, match.end())
    if not text.startswith(")", gap):
        return None
    return unescape(_ESCAPE.sub(r"\1", target)), title, gap + 1


def _skipped(text: str, at: int) -> int:
    match = _SPACES.match(text, at)
    return match.end() if match else at


def _bare_end(text: str, at: int) -> int | None:
    """Return the end of a target without angle brackets: a space, or a parenthesis that it did not open."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text) and not text[at + 1].isspace():
            at += 2
            continue
        if char == "(":
            depth += 1
            if depth > 32:
                return None
        elif char == ")":
            if not depth:
                return at
            depth -= 1
        elif char <= " ":
            return None if depth else at
        at += 1
    return None


def code_spans(text: str) -> dict[int, int]:
    """Return the start and end of each code span in a paragraph: two equal runs of backticks, the first not escaped."""
    if "`" not in text:
        return {}
    runs = [(match.start(), match.end()) for match in re.finditer(r"`+", text)]
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for start, end in runs:
        by_length[end - start].append(start)
    spans: dict[int, int] = {}
    after = 0
    for start, end in runs:
        if start < after:
            continue
        slashes = 0
        while slashes < start and text[start - slashes - 1] == "\\":
            slashes += 1
        start += slashes % 2
        same = by_length.get(end - start, [])
        following = bisect_right(same, max(start, end - 1))
        if start < end and following < len(same):
            after = same[following] + end - start
            spans[start] = after
    return spans


def _written(text: str, start: int, stop: int, found: _Found, link: Target, image: Target, depth: int) -> str:
    pieces: list[str] = []
    kept = at = start
    while at < stop:
        match = _SPECIAL.search(text, at, stop)
        if not match:
            break
        at = match.start()
        if at in found.verbatim:
            end = found.verbatim[at]
            pieces += [_decoded(text[kept:at]), text[at:end]]
            kept = at = end
        elif at in found.links and depth < _MAX_DEPTH:
            made = found.links[at]
            label = _written(text, made.text, made.close, found, link, image, depth + 1)
            pieces += [_decoded(text[kept:at]), _replacement(text, made, label, link, image)]
            kept = at = made.end
        elif at in found.tags:
            end, instead = found.tags[at]
            pieces += [_decoded(text[kept:at]), instead]
            kept = at = end
        else:
            at = match.end()
    pieces.append(_decoded(text[kept:stop]))
    return "".join(pieces)


def _replacement(text: str, made: _Link, label: str, link: Target, image: Target) -> str:
    """Return the replacement of a link or image."""
    if made.is_image:
        alt = made.title if made.is_html else label
        if BADGE.search(made.target) or BADGE.search(alt):
            return ""
        address = image(made.target) if made.target else None
        title = "" if made.is_html or not made.title else f" {made.title}"
        return f"![{alt}]({link_target(address)}{title})" if address else alt
    if not label.strip():
        return ""
    address = link(made.target) if made.target else None
    if address is None:
        return label
    if address == made.target and not made.is_html and text.startswith("(", made.close + 1):
        # Unchanged except for its text.
        return f"[{label}{text[made.close : made.end]}"
    title = f" {made.title}" if made.title else ""
    return f"[{' '.join(label.split()) if made.is_html else label}]({link_target(address)}{title})"


def link_target(address: str) -> str:
    """Return an address for a Markdown link, escaped so that no character in it ends the link."""
    if re.search(r"[\s<>]", address):
        address = re.sub(r"[\s<>]", lambda match: f"%{ord(match[0]):02X}", address)
    if "(" in address or ")" in address:
        return f"<{address}>"
    return address


def attributes(text: str) -> dict[str, str]:
    """Return the attributes of an HTML tag, their names in lower case."""
    return {match[1].lower(): match[2] or match[3] or match[4] or "" for match in _ATTRIBUTE.finditer(text)}
