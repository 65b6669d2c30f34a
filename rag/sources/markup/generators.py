"""The syntax of documentation generators as plain Markdown: MDX components, admonitions, tabs, shortcodes.

What a reader sees stays: a component's children and its title, a tab's label, an admonition's kind. What only the
generator reads goes. Code is cut out before and put back after, less the indentation that its component gave it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape

from rag.sources.markup.inline import code_spans, words

__all__ = ["FENCE", "plain_markdown"]

# The title of a block of code: title=… in MkDocs, Docusaurus and Nextra, words after the language in Mintlify.
_TITLE = re.compile(
    r"""(?:title|filename|file|caption|label)=(["'])(.+?)\1|"""
    r"""^\s*[\w+#.-]+\s+(?!(?:showLineNumbers|live|copy|nocopy|wrap|twoslash|expandable|lines|ignore|test)\b)"""
    r"""(\w[\w .()/-]*)$"""
)
#: What opens a fence, wherever it stands: what is before it, its backticks or tildes, and what follows.
FENCE = re.compile(r"^(?P<before>[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$")

_PRE = re.compile(r"^[ \t]*<pre\b[^<>]*>(.*?)</pre>[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:lang(?:uage)?[-=\"']+)([\w+#-]+)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MDX_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)
_CUSTOM_ID = re.compile(r"^( {0,3}#{1,6} .*?)[ \t]*\{/\*[ \t]*(#[\w.:-]+)[ \t]*\*/\}[ \t]*$", re.MULTILINE)
_MODULE = re.compile(
    r"^(?:import\s+(?:[\w*{][^'\"\n]*\sfrom\s+)?['\"][^'\"\n]+['\"]|import\s*\{|export\s+(?:const|let|var|default|function|async|class|\*|\{))"
)
_TAG_START = re.compile(
    r"<(/?)([A-Z][\w.]*|div|details|summary|center|p|picture|source|section|article|figure|figcaption|br|hr)(?=[\s/>])"
)
_MDX_TAG_START = re.compile(r"<(/?)([A-Za-z][\w.:-]*(?=[\s/>])|(?=>))")
_LINKING = ("href", "to", "link", "url")
_SHORTCODE = re.compile(
    r"\{\{[<%](?!\s*(?:rel)?ref\b).{0,1000}?[>%]\}\}|^[ \t]*\{%(?!\s*link\b).*?%\}[ \t]*$|^[ \t]*-+8<-+.*$"
)
_REFERENCE = re.compile(
    r"\{\{[<%]\s*(?:rel)?ref\s+(?:path=)?[\"']?([^\"'\s>%]{1,300})[\"']?[^>%]{0,100}[>%]\}\}|\{%\s*link\s+([^\s%]{1,300})\s*%\}"
)
_SITE = re.compile(r"\{\{-?\s*(?:site|page)\.[\w.]+\s*-?\}\}")
_DIRECTIVE = re.compile(r"^(\s*):{3,}\s*(?:\{?([\w-]+)\}?)?[ \t]*(?:\[(.*)\]|(.*?))(?:\{[^{}]*\})?\s*$")
_BANG = re.compile(r"^(\s*)(?:!!!|\?\?\?\+?)\s+([\w-]+)[^\"]*(?:\"(.*)\")?\s*$")
_TAB = re.compile(r"^(\s*)===[!+]?\s+\"(.+)\"\s*$")
_ALERT = re.compile(r"^(\s*>[\s>]*)\[!(\w+)\][+-]?[ \t]*(.*)$")
_KINDS = words(
    "note tip info warning caution danger important check hint example question success error abstract bug quote"
)
_BREAK_TAGS = frozenset({"br", "hr", "img", "source"})
# HTML that says how what is in it stands on the page, and that Markdown can do without.
_BLOCK_TAGS = words("div details summary center p picture source section article figure figcaption br hr img")
_LONGEST_TAG = 20_000
# A longer line is data, and no place for a component.
_LONGEST_LINE = 10_000

# Code that was cut out, a component's begin with its label, its end. U+0000 is in no text.
_CODE = re.compile("\0F(\\d+)\0")
_SPAN = re.compile("\0S(\\d+)\0")
_OPEN = re.compile("^([ \t]*)\0O(\\d+)\0$")
_CLOSE = re.compile("^[ \t]*\0C\0$")


@dataclass(frozen=True, slots=True)
class _Code:
    """Lines that were cut out, and what stood before the first of them."""

    before: str
    lines: tuple[str, ...]


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


def plain_markdown(body: str, *, mdx: bool) -> str:
    """Return a text as Markdown that every reader understands.

    :param body: without front matter, its lines ended by LF
    :param mdx: expressions in braces are code, and any tag is a component
    """
    codes: list[_Code] = []
    text = "\n".join(_without_fences(body.replace("\0", ""), codes))
    text = _until_last("</pre>", text, lambda part: _PRE.sub(lambda match: _pre(match, codes), part))
    spans: list[str] = []
    text = _without_spans(text, spans)
    text = _CUSTOM_ID.sub(r"\1 {\2}", text)
    text = _until_last("*/}", _COMMENT.sub("", text), lambda part: _MDX_COMMENT.sub("", part))
    text = "\n".join(_without_modules(text.split("\n")))
    labels: list[str] = []
    text = _components(text, labels, mdx=mdx)
    if mdx:
        text = _without_expressions(text)
    lines = _lines(text.split("\n"), labels)
    return _SPAN.sub(lambda match: spans[int(match[1])], "\n".join(_restored(lines, codes)))


def _without_fences(body: str, codes: list[_Code]) -> Iterator[str]:
    lines = iter(body.split("\n"))
    for line in lines:
        opening = FENCE.match(line)
        if not opening:
            yield line
            continue
        mark = opening["fence"]
        kept = [line[len(opening["before"]) :]]
        title = _TITLE.search(opening["info"])
        if title and not opening["before"].strip():
            # What a generator shows above the code is text; the language is all that is left in its fence.
            language = re.match(r"[\w+#.-]*", opening["info"].strip())
            yield from ("", f"{opening['before']}**{title[2] or title[3]}**", "")
            kept = [f"{mark}{language[0] if language else ''}"]
        for inner in lines:
            kept.append(inner)
            bare = inner.strip(" \t>")
            if bare.startswith(mark) and not bare.strip(mark[0]):
                break
        codes.append(_Code(opening["before"], tuple(kept)))
        yield f"{opening['before']}\0F{len(codes) - 1}\0"


def _until_last(end: str, text: str, change: Callable[[str], str]) -> str:
    """Change a text up to the last of what ends a thing: a search never runs on for what is not there."""
    stop = text.rfind(end) + len(end)
    return change(text[:stop]) + text[stop:] if stop >= len(end) else text


def _pre(match: re.Match[str], codes: list[_Code]) -> str:
    """Make a fence of preformatted HTML."""
    if "\0" in match[1]:
        return match[0]
    code = unescape(re.sub(r"</?[A-Za-z][^<>]*>", "", match[1])).strip("\n").split("\n")
    language = _LANGUAGE.search(match[0].partition("\n")[0])
    mark = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", match[1])), 3)
    codes.append(_Code("", (f"{mark}{language[1] if language else ''}", *code, mark)))
    return f"\n\0F{len(codes) - 1}\0\n"


def _without_spans(text: str, spans: list[str]) -> str:
    if "`" not in text:
        return text
    paragraphs = re.split(r"(\n[ \t>]*\n)", text)
    for position in range(0, len(paragraphs), 2):
        paragraph = paragraphs[position]
        pieces: list[str] = []
        kept = 0
        for start, end in code_spans(paragraph).items():
            spans.append(paragraph[start:end])
            pieces += [paragraph[kept:start], f"\0S{len(spans) - 1}\0"]
            kept = end
        paragraphs[position] = "".join([*pieces, paragraph[kept:]])
    return "".join(paragraphs)


def _without_modules(lines: list[str]) -> Iterator[str]:
    """Drop imports and exports: one line, or up to the brace that closes them."""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not _MODULE.match(line):
            yield line
            continue
        depth = _depth(line)
        start = at
        while depth > 0 and at < len(lines):
            depth += _depth(lines[at])
            at += 1
        if depth > 0:  # never closed: prose that begins like code
            at = start


def _depth(line: str) -> int:
    return sum(line.count(mark) for mark in "{([") - sum(line.count(mark) for mark in "})]")


def _components(text: str, labels: list[str], *, mdx: bool) -> str:
    """Replace the tags of components: by a line of their own, by an HTML link, or by nothing."""
    if "<" not in text:
        return text
    tags = list(_tags(text, _MDX_TAG_START if mdx else _TAG_START))
    _pair(tags)
    for tag in tags:
        tag.is_block = (not tag.name.islower() or tag.name in _BLOCK_TAGS) and _is_block(text, tag)
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
    return "".join([*pieces, text[kept:]])


def _tags(text: str, opening: re.Pattern[str]) -> Iterator[_Tag]:
    at = 0
    while match := opening.search(text, at):
        at = match.end()
        end = _tag_end(text, match.end())
        if end:
            inner = text[match.end() : end - 1]
            is_empty = inner.rstrip().endswith("/") or match[2] in _BREAK_TAGS
            yield _Tag(match.start(), end, match[2], dict(_attributes(inner)), bool(match[1]), is_empty)
            at = end


def _tag_end(text: str, at: int) -> int | None:
    """Return where a tag ends: at the > that stands in no quotes and no braces."""
    depth, quote = 0, ""
    for position in range(at, min(len(text), at + _LONGEST_TAG)):
        char = text[position]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`" and (depth or text[position - 1] in "= \t\n"):
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == ">" and depth <= 0:
            return position + 1
        elif char == "<" and depth <= 0:
            return None
    return None


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a component; of an expression its first string."""
    at = 0
    while match := re.compile(r"([A-Za-z_][\w-]*)(\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|\{))?").search(text, at):
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
    """Return the first attribute that says something, as text."""
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
            return " ".join(unescape(value).split())
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


def _is_block(text: str, tag: _Tag) -> bool:
    """Whether a tag stands alone on its lines; so does one whose whole content is on its line and nothing else."""
    line_start = text.rfind("\n", 0, tag.start) + 1
    before = text[line_start : tag.start]
    line_end = text.find("\n", tag.end)
    after = text[tag.end : line_end if line_end >= 0 else len(text)]
    if len(before) + len(after) > _LONGEST_LINE or re.sub(r"<[^<>]*>", "", before).strip():
        return False
    if not re.sub(r"<[^<>]*>", "", after).strip():
        return True
    if tag.partner is None or tag.closes:
        return False
    partner_end = text.find("\n", tag.partner.end)
    rest = text[tag.partner.end : partner_end if partner_end >= 0 else len(text)]
    return not re.sub(r"<[^<>]*>", "", rest).strip()


def _block(text: str, tag: _Tag, labels: list[str], tabs: list[list[str]]) -> str:
    indent = re.match(r"[ \t]*", text[text.rfind("\n", 0, tag.start) + 1 : tag.start])
    margin = indent[0] if indent else ""
    if tag.closes:
        if tag.name.endswith("Tabs") and tabs:
            tabs.pop()
        return f"\n{margin}\0C\0\n"
    if tag.name.endswith("Tabs") and not tag.is_empty:
        tabs.append(re.findall(r"[\"'`]([^\"'`]+)[\"'`]", tag.attributes.get("items", "")))
    label = _label(tag, tabs)
    if tag.name == "summary" and tag.partner:
        return f"\n{margin}\0O{_put(labels, '**')}\0\n"
    if tag.is_empty:
        return f"\n{margin}{label}\n" if label else "\n" if tag.name in _BREAK_TAGS else ""
    return f"\n{margin}\0O{_put(labels, label)}\0\n"


def _put(labels: list[str], label: str) -> int:
    labels.append(label)
    return len(labels) - 1


def _label(tag: _Tag, tabs: list[list[str]]) -> str:
    """Return what a reader sees of a component beside its children."""
    kind = tag.name.rpartition(".")[2]
    if source := _value(tag, "src"):
        alt = _value(tag, "alt", "title", "caption")
        return f"![{alt}]({source})" if alt and tag.is_empty else ""
    title = _value(tag, "title", "label", "heading", "summary", "header", "caption")
    address = _value(tag, *_LINKING)
    if kind.endswith("Field") and (name := _value(tag, "path", "query", "body", "header", "name")):
        facts = ", ".join(
            fact for fact in (_value(tag, "type"), "required" if "required" in tag.attributes else "") if fact
        )
        return f"**{name}**{f' ({facts})' if facts else ''}"
    if not title and kind in ("Tab", "TabItem", "TabPanel"):
        title = tabs[-1].pop(0) if tabs and tabs[-1] else _value(tag, "value", "name")
    if not title and kind.lower() in _KINDS and not tag.is_empty:
        title = kind
    elif not title and kind in ("Admonition", "Callout", "Aside", "Alert", "Note"):
        title = _value(tag, "type", "variant").capitalize()
    if not title:
        return ""
    said = _value(tag, "description")
    is_note = kind.lower() in _KINDS or kind in ("Admonition", "Callout", "Aside", "Alert")
    shown = f"[{title}]({address})" if address else f"{title}:" if is_note else title
    return f"**{shown}**" + (f"\n\n{said}" if said else "")


def _inline(text: str, tag: _Tag) -> str:
    """Return what stays of a tag within a sentence."""
    opener = tag.partner if tag.closes else tag
    address = _value(opener, *_LINKING) if opener else ""
    if tag.name == "img":
        return f'<img src="{_value(tag, "src")}" alt="{_value(tag, "alt", "title")}">'
    if tag.name.islower() and tag.name != "a":
        # What its attributes say is for the browser.
        return " " if tag.name == "br" else f"<{'/' if tag.closes else ''}{tag.name}>"
    if address and opener and opener.partner and "\n\n" not in text[opener.start : opener.partner.start]:
        return "</a>" if tag.closes else f'<a href="{address}">'
    if tag.is_empty:
        alt = _value(tag, "alt", "title", "label")
        source = _value(tag, "src")
        return f"![{alt}]({source})" if source and alt else alt
    return ""


def _without_expressions(text: str) -> str:
    """Drop JavaScript in braces, but for strings, which are shown, and the id of a heading."""
    pieces: list[str] = []
    kept = 0
    for start, end in _braces(text):
        if start < kept or text.startswith("{#", start):
            continue
        inner = text[start + 1 : end - 1].strip()
        shown = inner[1:-1] if len(inner) > 1 and inner[0] in "\"'`" and inner[-1] == inner[0] else ""
        pieces += [text[kept:start], shown]
        kept = end
    return "".join([*pieces, text[kept:]])


def _braces(text: str) -> list[tuple[int, int]]:
    """Return where braces that belong together open and close, in order."""
    waiting: list[int] = []
    pairs: list[tuple[int, int]] = []
    for match in re.finditer(r"(?<!\\)[{}]", text):
        if match[0] == "{":
            waiting.append(match.start())
        elif waiting:
            pairs.append((waiting.pop(), match.end()))
    return sorted(pairs)


def _lines(lines: list[str], labels: list[str]) -> Iterator[str]:
    """Yield the lines, what is indented below an admonition, a tab or a component moved to its margin."""
    shifts: list[_Shift] = []
    for raw in lines:
        width = _indent(raw)
        while shifts and shifts[-1].ends(raw, width):
            shifts.pop()
        if match := _CLOSE.match(raw):
            while shifts and shifts.pop().is_indented:
                pass
            yield ""
            continue
        if shifts:
            shifts[-1].begin(raw, width)
        line = raw[min(_total(shifts), width) :]
        if match := _OPEN.match(raw):
            label = labels[int(match[2])]
            shifts.append(_Shift(width, _total(shifts), is_indented=False, mark="**" if label == "**" else ""))
            if label and label != "**":
                yield from ("", textwrap.indent(label, line[: _indent(line)]), "")
            else:
                yield ""
            continue
        if match := _BANG.match(line) or _TAB.match(line):
            shifts.append(_Shift(width, _total(shifts), is_indented=True))
            yield from _block_label(match)
            continue
        if shifts and shifts[-1].mark and line.strip():
            line = f"{line[: _indent(line)]}**{line.strip()}**"
        yield _shown(line)


def _total(shifts: list[_Shift]) -> int:
    return shifts[-1].total if shifts else 0


@dataclass(slots=True)
class _Shift:
    """Something whose content may be indented: by four spaces, or as far as its first line until it ends."""

    margin: int
    #: by how much those around it move it
    outer: int
    #: it ends with its indentation; else with a mark of its own
    is_indented: bool
    mark: str = ""
    amount: int = 0
    is_begun: bool = False

    @property
    def total(self) -> int:
        return self.outer + self.amount

    def ends(self, line: str, width: int) -> bool:
        return self.is_indented and bool(line.strip()) and width <= self.margin

    def begin(self, line: str, width: int) -> None:
        if not self.is_begun and line.strip():
            self.is_begun = True
            self.amount = max(0, min(4, width - self.margin) if self.is_indented else width - self.margin)


def _block_label(match: re.Match[str]) -> tuple[str, ...]:
    margin = match[1]
    if match.re is _TAB:
        return (f"{margin}**{match[2]}**", "")
    title = match[3] if match[3] is not None else match[2].capitalize()
    return (f"{margin}**{title}:**",) if title else ("",)


def _shown(line: str) -> str:
    if line.lstrip().startswith(":::"):
        match = _DIRECTIVE.match(line)
        title = (match[3] or match[4] or (match[2] or "").replace("-", " ").capitalize()).strip() if match else ""
        return f"{match[1]}**{title}:**" if match and title else ""
    if match := _ALERT.match(line):
        return f"{match[1]}**{match[3] or match[2].capitalize()}:**"
    if "{" in line:
        line = _REFERENCE.sub(lambda match: match[1] or match[2], line)
        return _SITE.sub("", _SHORTCODE.sub("", line))
    return "" if _SHORTCODE.match(line) else line


def _restored(lines: Iterator[str], codes: list[_Code]) -> Iterator[str]:
    for line in lines:
        match = _CODE.search(line)
        if not match:
            yield line
            continue
        code = codes[int(match[1])]
        before = line[: match.start()]
        shift = max(0, len(code.before) - len(before)) if not before.strip() else 0
        first, *rest = code.lines
        yield f"{before}{first}"
        for inner in rest:
            yield inner[min(shift, _indent(inner)) :] if shift else inner


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
