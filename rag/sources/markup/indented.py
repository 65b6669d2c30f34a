"""Indented code of a Markdown text, which looks like the indented content of notes, tabs and components."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from markdown_it import MarkdownIt

__all__ = ["indented_code"]

_INDENTED = re.compile(r"^(?: {4}| {0,3}\t)[ \t]*\S", re.MULTILINE)
# Lines whose content is indented, and is no code: notes and tabs of MkDocs, footnotes, definitions, tags.
_OPENS = re.compile(
    r"\s*(?:(?:!!!|\?\?\?\+?|===[!+]?)\s|\[\^[^\]\n]+\]:|:\s|<(?!https?:)|\{%|\{\{[<%]|/{3,}\s*\w|:{3,}|.*\0O\d)"
)


def indented_code(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first line and the end of each block of indented code.

    :param lines: without fenced code
    """
    text = "\n".join(lines)
    if not _INDENTED.search(text):
        return
    above = _shallower(lines)
    for token in _parser().parse(text):
        if token.type == "code_block" and token.map:
            start, end = token.map
            while end > start and not lines[end - 1].strip():
                end -= 1
            opener = above[start]
            if start < end and (opener < 0 or not _OPENS.match(lines[opener])):
                yield start, end


def _shallower(lines: Sequence[str]) -> list[int]:
    """Return, for each line, the nearest line above it that is indented less; -1 if there is none."""
    found: list[int] = []
    stack: list[tuple[int, int]] = []
    for at, line in enumerate(lines):
        bare = line.lstrip(" \t")
        if not bare:
            found.append(stack[-1][1] if stack else -1)
            continue
        width = len(line[: len(line) - len(bare)].expandtabs(4))
        while stack and stack[-1][0] >= width:
            stack.pop()
        found.append(stack[-1][1] if stack else -1)
        stack.append((width, at))
    return found


@lru_cache(1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 100})
    parser.core.ruler.disable(["inline"])
    return parser
