"""The syntax of documentation generators as plain Markdown: MDX components, admonitions, tabs, shortcodes.

What a reader sees is kept: the children and title of a component, the label of a tab, the kind of an admonition. What
only the generator reads is dropped. Code is cut out first and put back last, so that none of this changes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.sources.markup.admonitions import resolve_blocks
from rag.sources.markup.components import replace_components
from rag.sources.markup.placeholders import Verbatim, sub_before_last

__all__ = ["plain_markdown"]

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MDX_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)
_MDX_HEADING_ID = re.compile(r"^( {0,3}#{1,6} .*?)[ \t]*\{/\*[ \t]*(#[\w.:-]+)[ \t]*\*/\}[ \t]*$", re.MULTILINE)
_MODULE = re.compile(
    r"^(?:import\s+(?:[\w*{][^'\"\n]*\sfrom\s+)?['\"][^'\"\n]+['\"]|import\s*\{|"
    r"export\s+(?:const|let|var|default|function|async|class|\*|\{))"
)


def plain_markdown(body: str, *, mdx: bool) -> str:
    """Return the text of a generator's page as CommonMark.

    :param body: without front matter, its lines ended by LF
    :param mdx: expressions in braces are code, and any tag is a component
    """
    verbatim = Verbatim()
    text = verbatim.cut(body)
    text = _MDX_HEADING_ID.sub(r"\1 {\2}", text)
    text = sub_before_last("*/}", _MDX_COMMENT, lambda _: "", _COMMENT.sub("", text))
    text = "\n".join(_without_modules(text.split("\n")))
    text, labels = replace_components(text, mdx=mdx)
    if mdx:
        text = _without_expressions(text)
    return verbatim.restore(resolve_blocks(text.split("\n"), labels))


def _without_modules(lines: list[str]) -> Iterator[str]:
    """Drop imports and exports: one line, or the lines up to the closing brace."""
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
        if depth > 0:  # never closed: only the first line is code
            at = start


def _depth(line: str) -> int:
    return sum(line.count(mark) for mark in "{([") - sum(line.count(mark) for mark in "})]")


def _without_expressions(text: str) -> str:
    """Drop JavaScript in braces, except strings, whose text is shown, and the ids of headings."""
    pieces: list[str] = []
    kept = 0
    for start, end in _braces(text):
        if start < kept or text.startswith("{#", start):
            continue
        inner = text[start + 1 : end - 1].strip()
        is_string = len(inner) > 1 and inner[0] in "\"'`" and inner[-1] == inner[0]
        pieces += [text[kept:start], inner[1:-1] if is_string else ""]
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
