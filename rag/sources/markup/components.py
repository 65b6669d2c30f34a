"""Components in Markdown: what a reader sees of the tags of MDX and of HTML that lays out a page.

A tag that stands alone on its lines becomes a marker line, which `rag.sources.markup.admonitions` resolves once the
indentation of its content is known. A tag inside a sentence becomes an HTML link, text or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from rag.sources.markup.placeholders import closing_line, opening_line
from rag.sources.names import names
from rag.text.lines import one_line

__all__ = ["replace_components"]

_TAG_START = re.compile(
    r"<(/?)([A-Z][\w.]*|div|details|summary|center|p|picture|source|section|article|figure|figcaption|br|hr)(?=[\s/>])"
)
_MDX_TAG_START = re.compile(r"<(/?)([A-Za-z][\w.:-]*(?=[\s/>])|(?=>))")
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w-]*)(\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|\{))?")
_LINKING = ("href", "to", "link", "url")
_KINDS = names(
    "note tip info warning caution danger important check hint example question success error abstract bug quote"
)
_BREAK_TAGS = frozenset({"br", "hr", "img", "source"})
# HTML that lays out its content, which Markdown does without.
_BLOCK_TAGS = names("div details summary center p picture source section article figure figcaption br hr img")
_MAX_TAG = 20_000
#: How many characters may be read in vain, and the longest tag that is read after them.
_PATIENCE = 400_000
_SHORT_TAG = 300
_TAG_MARK = re.compile(r"[\"'`{}<>]")
_HTML_TAG = re.compile(r"<[^<>]*>")
# A longer line is data, not text with components.
_MAX_LINE = 10_000


@dataclass(slots=True)
class _Tag:
    start: int
    end: int
    name: str
    attributes: dict[str, str]
    closes: bool
    is_empty: bool
    partner: _Tag | None = None
    is_block: bool = False


def replace_components(text: str, *, mdx: bool) -> tuple[str, list[str]]:
    """Return a text without the tags of components, and the labels that its marker lines refer to.

    :param mdx: any tag is a component
    """
    labels: list[str] = []
    if "<" not in text:
        return text, labels
    tags = list(_tags(text, _MDX_TAG_START if mdx else _TAG_START))
    _pair(tags)
    lines = _Lines(text)
    for tag in tags:
        tag.is_block = (not tag.name.islower() or tag.name in _BLOCK_TAGS) and _is_block(lines, tag)
    for tag in tags:
        if tag.closes and tag.partner:
            tag.is_block = tag.partner.is_block
    pieces: list[str] = []
    kept = 0
    tabs: list[list[str]] = []
    for tag in tags:
        if tag.start < kept or not (tag.is_block or mdx or (tag.partner and tag.name[:1].isupper())):
            continue
        pieces.append(text[kept : tag.start])
        pieces.append(_block(text, tag, labels, tabs) if tag.is_block else _inline(text, tag))
        kept = tag.end
    return "".join([*pieces, text[kept:]]), labels


def _tags(text: str, opening: re.Pattern[str]) -> Iterator[_Tag]:
    at = 0
    patience = _PATIENCE  # for tags that never end, each of which is sought anew
    while match := opening.search(text, at):
        at = match.end()
        longest = _MAX_TAG if patience > 0 else _SHORT_TAG
        end = _tag_end(text, at, min(len(text), at + longest))
        if end:
            inner = text[match.end() : end - 1]
            is_empty = inner.rstrip().endswith("/") or match[2] in _BREAK_TAGS
            yield _Tag(match.start(), end, match[2], dict(_attributes(inner)), bool(match[1]), is_empty)
            at = end
        else:
            patience -= min(longest, len(text) - at)


def _tag_end(text: str, at: int, stop: int) -> int | None:
    """Return the end of a tag: its first > outside quotes and braces."""
    depth, quote = 0, ""
    for match in _TAG_MARK.finditer(text, at, stop):
        char = match[0]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char if depth or text[match.start() - 1] in "= \t\n" else ""
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif depth <= 0:
            return match.end() if char == ">" else None
    return None


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of attributes; the value of an expression is its code."""
    at = 0
    while match := _ATTRIBUTE.search(text, at):
        at = match.end()
        if match[2] is None:
            yield match[1], "true"
        elif match[2].endswith("{"):
            start, depth = at, 1
            while at < len(text) and depth:
                depth += {"{": 1, "}": -1}.get(text[at], 0)
                at += 1
            yield match[1], text[start : at - 1].strip()
        else:
            yield match[1], match[3] if match[3] is not None else match[4]


def _value(tag: _Tag, *names: str) -> str:
    """Return the value of the first attribute that has one, as text; of an expression only a string."""
    for name in names:
        value = tag.attributes.get(name, "")
        if value[:1] in "\"'`":
            value = value.strip("\"'`")
        elif literal := re.search(r"^(?:require|useBaseUrl)\(\s*[\"'`]([^\"'`]+)", value):
            value = literal[1]
        elif re.search(r"[<>{}()=;]", value):
            words = re.sub(r"<[^<>]*>", " ", value)
            value = "" if re.search(r"[{}()=;]", words) else words
        if value and value != "true":
            return one_line(unescape(value))
    return ""


def _pair(tags: list[_Tag]) -> None:
    waiting: dict[str, list[_Tag]] = {}
    for tag in tags:
        if tag.closes:
            opened = waiting.get(tag.name)
            if opened:
                tag.partner = opened.pop()
                tag.partner.partner = tag
        elif not tag.is_empty:
            waiting.setdefault(tag.name, []).append(tag)


class _Lines:
    """Tells where on its line a text stands apart from tags; each line is read once."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: the line that was asked about last: its start, its end, and its first and last character of text
        self._line = (0, -1, 0, 0)

    def is_text_before(self, place: int) -> bool:
        """Return whether there is text between the start of the line and a place."""
        return self._of(place)[0] < place

    def is_text_after(self, place: int) -> bool:
        """Return whether there is text between a place and the end of the line."""
        return self._of(place)[1] >= place

    def _of(self, place: int) -> tuple[int, int]:
        """Return the places of the first and the last character of text on a line."""
        start, end, first, last = self._line
        if not start <= place <= end:
            start = self._text.rfind("\n", 0, place) + 1
            end = self._text.find("\n", place)
            end = end if end >= 0 else len(self._text)
            first, last = self._edges(start, end)
            self._line = (start, end, first, last)
        return first, last

    def _edges(self, start: int, end: int) -> tuple[int, int]:
        if end - start > _MAX_LINE:
            return -1, len(self._text)
        bare = _HTML_TAG.sub(lambda tag: " " * len(tag[0]), self._text[start:end])
        words = bare.strip()
        first = start + len(bare) - len(bare.lstrip())
        return (first, first + len(words) - 1) if words else (len(self._text), -1)


def _is_block(lines: _Lines, tag: _Tag) -> bool:
    """Return whether a tag stands alone on its line, or alone with its content and its closing tag."""
    if lines.is_text_before(tag.start):
        return False
    if not lines.is_text_after(tag.end):
        return True
    return tag.partner is not None and not tag.closes and not lines.is_text_after(tag.partner.end)


def _block(text: str, tag: _Tag, labels: list[str], tabs: list[list[str]]) -> str:
    indent = re.match(r"[ \t]*", text[text.rfind("\n", 0, tag.start) + 1 : tag.start])
    margin = indent[0] if indent else ""
    if tag.closes:
        if tag.name.endswith("Tabs") and tabs:
            tabs.pop()
        return f"\n{closing_line(margin)}\n"
    if tag.name.endswith("Tabs") and not tag.is_empty:
        tabs.append(
            re.findall(r"[\"'`]([^\"'`]+)[\"'`]", tag.attributes.get("items", tag.attributes.get("values", "")))
        )
    label = _label(tag, tabs)
    if tag.name == "summary" and tag.partner:
        return f"\n{opening_line(margin, _put(labels, '**'))}\n"
    if tag.name == "br" and _is_in_heading(text[max(0, tag.start - _MAX_HEADING) : tag.start]):
        return " "
    if tag.is_empty:
        return f"\n{margin}{label}\n" if label else "\n" if tag.name in _BREAK_TAGS else ""
    return f"\n{opening_line(margin, _put(labels, label))}\n"


def _is_in_heading(before: str) -> bool:
    """Return whether a heading in HTML, which an empty line would end, begins in a text and does not end there."""
    opened = list(re.finditer(r"<(/?)h[1-6]\b", before))
    return bool(opened) and not opened[-1][1]


_MAX_HEADING = 1000


def _put(labels: list[str], label: str) -> int:
    labels.append(label)
    return len(labels) - 1


def _label(tag: _Tag, tabs: list[list[str]]) -> str:
    """Return the text that a component shows besides its children."""
    kind = tag.name.rpartition(".")[2]
    if source := _value(tag, "src"):
        alt = _value(tag, "alt", "title", "caption")
        return f"![{alt}]({source})" if alt and tag.is_empty else ""
    title = _value(tag, "title", "label", "heading", "summary", "header", "caption")
    address = _value(tag, *_LINKING)
    if kind.endswith("Field") and (name := _value(tag, "path", "query", "body", "header", "name")):
        properties = (_value(tag, "type"), "required" if "required" in tag.attributes else "")
        listed = ", ".join(filter(None, properties))
        return f"**{name}**{f' ({listed})' if listed else ''}"
    if not title and kind in ("Tab", "TabItem", "TabPanel"):
        title = _tab_title(_value(tag, "value", "name"), tabs)
    if not title and kind in ("Folder", "File"):
        title = _value(tag, "name")
    if not title and kind.lower() in _KINDS and not tag.is_empty:
        title = kind
    elif not title and kind in ("Admonition", "Callout", "Aside", "Alert", "Note"):
        title = _value(tag, "type", "variant").capitalize()
    if not title:
        return ""
    description = _value(tag, "description")
    is_note = kind.lower() in _KINDS or kind in ("Admonition", "Callout", "Aside", "Alert")
    shown = f"[{title}]({address})" if address else f"{title}:" if is_note else title
    return f"**{shown}**" + (f"\n\n{description}" if description else "")


def _tab_title(value: str, tabs: list[list[str]]) -> str:
    """Return the label of a tab, by the value that its group gives a label, else by its place.

    Docusaurus lists [{label: "macOS", value: "mac"}], in either order.
    """
    listed = tabs[-1] if tabs else []
    if value and value in listed and len(listed) % 2 == 0:
        place = listed.index(value)
        return listed[place ^ 1]
    return listed.pop(0) if listed else value


def _inline(text: str, tag: _Tag) -> str:
    """Return the replacement of a tag inside a sentence."""
    opener = tag.partner if tag.closes else tag
    address = _value(opener, *_LINKING) if opener else ""
    if tag.name == "img":
        return f'<img src="{_value(tag, "src")}" alt="{_value(tag, "alt", "title")}">'
    if tag.name.islower() and tag.name != "a":
        # Its attributes are for the browser.
        return " " if tag.name == "br" else f"<{'/' if tag.closes else ''}{tag.name}>"
    if address and opener and opener.partner and "\n\n" not in text[opener.start : opener.partner.start]:
        return "</a>" if tag.closes else f'<a href="{address}">'
    if tag.is_empty:
        alt = _value(tag, "alt", "title", "label")
        source = _value(tag, "src")
        return f"![{alt}]({source})" if source and alt else alt
    return ""
