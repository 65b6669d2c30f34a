"""The syntax of documentation generators as plain Markdown: MDX components, admonitions, tabs, shortcodes.

What a reader sees is kept: the children and title of a component, the label of a tab, the kind of an admonition. What
only the generator reads is dropped. Code is cut out first and put back last, so that none of this changes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.sources.markup.admonitions import resolve_blocks
from rag.sources.markup.components import replace_components
from rag.sources.markup.definitions import with_bold_terms
from rag.sources.markup.includes import Included
from rag.sources.markup.kramdown import without_attributes
from rag.sources.markup.placeholders import Verbatim, sub_before_last
from rag.sources.markup.shortcodes import replace_shortcodes

__all__ = ["plain_markdown"]

# A comment at the margin may hold blank lines; inside a paragraph, a mark that is not closed there is text.
_COMMENT = re.compile(r"^ {0,3}<!--.*?-->|<!--(?:(?!-->|\n[ \t]*\n).)*+-->", re.DOTALL | re.MULTILINE)
_OPEN_COMMENT = re.compile(r"^( {0,3})<!--", re.MULTILINE)
_KRAMDOWN_COMMENTS = {
    end: re.compile(r"\{::comment\}.*?" + re.escape(end), re.DOTALL) for end in ("{:/comment}", "{:/}")
}
# MyST: directives or labels tell a file of it, in which labels, comments and breaks are lines of their own.
_MYST = re.compile(r"^[ \t]*(?:`{3,}|:{3,})\{[a-z]|^\([\w .:/-]{1,200}\)=[ \t]*$", re.MULTILINE)
_MYST_LINE = re.compile(r"^(?:\([\w .:/-]{1,200}\)=|%(?:[ \t].*)?|\+{3}(?:[ \t].*)?)[ \t]*$", re.MULTILINE)
# Components of Nuxt Content: ::alert{type="warning"} up to ::, and :badge[New]{color="green"} in a sentence.
_NUXT = re.compile(r"^([ \t]*)::([a-z][\w-]*)(?:\{([^{}\n]*)\})?[ \t]*$", re.MULTILINE)
_NUXT_END = re.compile(r"^[ \t]*::[ \t]*$", re.MULTILINE)
_NUXT_INLINE = re.compile(r"(?<![\w:]):[a-z][\w-]*\[([^\[\]\n]*)\]\{[^{}\n]*\}")
_NUXT_TITLE = re.compile(r"\b(?:title|label|name|type|color)=([\"'])(.+?)\1")
_MDX_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)
_MDX_HEADING_ID = re.compile(r"^( {0,3}#{1,6} .*?)[ \t]*\{/\*[ \t]*(#[\w.:-]+)[ \t]*\*/\}[ \t]*$", re.MULTILINE)
_MODULE = re.compile(
    r"^(?:import\s+(?:[\w*{][^'\"\n]*\sfrom\s+)?['\"][^'\"\n]+['\"][ \t]*;?[ \t]*$|import\s*\{[^{}'\"\n]*$|"
    r"export\s+(?:(?:const|let|var)\s+[\w$\[{][^=\n]*=|(?:async\s+)?function\b[^(\n]*\(|class\s[^{\n]*\{|"
    r"\{[^{}\n]*(?:\}[^\n]*;|\}[ \t]*(?:from\s.*)?|)$|\*\s.*from\s|"
    r"default\s+(?:[{(\[]|(?:async\s+)?function\b[^(\n]*\(|class\b[^{\n]*\{|async\s*\(|"
    r"[\w$.]+(?:\(.*)?[ \t]*;?[ \t]*$)))"
)


#: A string of one brace, which is how MDX writes one.
_BRACE = re.compile(r"\{[ \t]*([\"'])([{}])\1[ \t]*\}")
#: A string between backticks, which was cut out as code.
_TEMPLATE = re.compile("\0S\\d+\0")


def plain_markdown(body: str, *, mdx: bool, included: Included = lambda _: None) -> str:
    """Return the text of a generator's page as CommonMark.

    :param body: without front matter, its lines ended by LF
    :param mdx: expressions in braces are code, and any tag is a component
    :param included: returns the text of a file whose code the page includes
    """
    verbatim = Verbatim(included)
    text = verbatim.cut(body, mdx=mdx)
    text = _MDX_HEADING_ID.sub(r"\1 {\2}", text)
    text = _without_comments(text)
    if not mdx and _MYST.search(body):
        text = _MYST_LINE.sub("", text)
    if _NUXT_END.search(text):
        text = _NUXT_INLINE.sub(r"\1", _NUXT_END.sub("", _NUXT.sub(_nuxt_label, text)))
    text = sub_before_last("*/}", _MDX_COMMENT, lambda _: "", text)
    text = "\n".join(_without_modules(text.split("\n")))
    text = replace_shortcodes(text)
    text, labels = replace_components(text, mdx=mdx)
    if mdx:
        text = _without_expressions(text)
    lines = resolve_blocks(text.split("\n"), labels)
    return verbatim.restore(lines if mdx else with_bold_terms(without_attributes(lines)))


def _nuxt_label(opening: re.Match[str]) -> str:
    """Return the title of a component, or the kind of note that it is."""
    title = _NUXT_TITLE.search(opening[3] or "")
    label = title[2] if title else opening[2] if opening[2] in ("note", "tip", "warning", "caution") else ""
    return f"\n{opening[1]}**{label[0].upper()}{label[1:]}:**\n" if label else ""


def _without_comments(text: str) -> str:
    """Drop comments; one that is never closed is text, for otherwise it would hide the rest of the page."""
    text = sub_before_last("-->", _COMMENT, lambda _: "", text)
    for end, pattern in _KRAMDOWN_COMMENTS.items():
        text = sub_before_last(end, pattern, lambda _: "", text)
    return _OPEN_COMMENT.sub(r"\1\\<!--", text) if "<!--" in text else text


def _without_modules(lines: list[str]) -> Iterator[str]:
    """Drop imports and exports: one line, or the lines up to the closing brace."""
    if not any(map(_MODULE.match, lines)):
        yield from lines
        return
    ends = _closings(lines)
    at = 0
    is_start = True  # a module's line begins a paragraph, or follows one
    while at < len(lines):
        if is_start and _MODULE.match(lines[at]):
            at = ends[at]
        else:
            yield lines[at]
            is_start = not lines[at].strip()
            at += 1


def _closings(lines: list[str]) -> list[int]:
    """Return, for each line, the line behind the one that closes its brackets; the next if they are never closed."""
    ends = list(range(1, len(lines) + 1))
    waiting: list[tuple[int, int]] = []  # (depth before the line, line)
    depth = 0
    for at, line in enumerate(lines):
        before, depth = depth, depth + _depth(line)
        if depth > before:
            waiting.append((before, at))
        while waiting and waiting[-1][0] >= depth:
            ends[waiting.pop()[1]] = at + 1
    return ends


def _depth(line: str) -> int:
    return sum(line.count(mark) for mark in "{([") - sum(line.count(mark) for mark in "})]")


def _without_expressions(text: str) -> str:
    """Drop JavaScript in braces, except strings, whose text is shown, and the ids of headings."""
    text = _BRACE.sub(r"\\\2", text)
    pieces: list[str] = []
    kept = 0
    for start, end in _braces(text):
        if start < kept or text.startswith("{#", start):
            continue
        inner = text[start + 1 : end - 1].strip()
        is_string = len(inner) > 1 and inner[0] in "\"'`" and inner[-1] == inner[0]
        shown = inner[1:-1] if is_string else inner if _TEMPLATE.fullmatch(inner) else ""
        pieces += [text[kept:start], shown]
        kept = end
    return "".join([*pieces, text[kept:]])


def _braces(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each pair of braces, in order."""
    waiting: list[int] = []
    pairs: list[tuple[int, int]] = []
    for match in re.finditer(r"(?<!\\)[{}]", text):
        if match[0] == "{":
            waiting.append(match.start())
        elif waiting:
            pairs.append((waiting.pop(), match.end()))
    return sorted(pairs)
