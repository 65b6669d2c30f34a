"""The blocks of Markdown: fenced code, headings, lists, tables and paragraphs, read line by line.

This is the part of CommonMark that the project relies on. It needs no parser, since sources write their documents in
one plain form: headings with "#" at the margin, blank lines between blocks, fences around code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = [
    "MARKDOWN",
    "Fence",
    "Heading",
    "blocks",
    "heading",
    "is_code",
    "is_heading",
    "is_item",
    "is_table",
    "is_term",
    "lines_with_code",
    "open_fence",
    "terms",
]

#: What a fence around Markdown calls it.
MARKDOWN = frozenset({"markdown", "md", "mdx"})

# Backticks further on in the line make it inline code.
_FENCE = r"(?P<mark>`{3,}(?=[^`\n]*(?:\n|$))|~{3,})(?P<info>[^\n]*)"
_PLAIN_FENCE = re.compile(rf"(?P<before>\s*){_FENCE}")
_NESTED_FENCE = re.compile(rf"(?P<before>[ \t>]*(?:(?:[-*+]|\d{{1,9}}[.)])[ \t]+)*){_FENCE}")
_LONGEST_TERM = 300
# How much further than its opening a closing fence may be indented.
_CLOSING_INDENT = 3
_CITATION_MARKERS = re.compile(r"\[[\d\s,]+\]")
_HEADING = re.compile(r"(?P<indent> *)(?P<marks>#{1,6})(?:[ \t]++(?P<text>[^\n]*))?$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s|\*\*.+\*\*$", re.MULTILINE)
# A line that is nothing but bold text or code: a term that the text below it defines, or a label.
_TERM = re.compile(
    r"\s*(?:\*\*(?:[^*\n]|\*(?!\*))+\*\*|(?P<mark>`+)[^\n]+?(?P=mark))"
    r"(?:,[ \t]*(?:\*\*[^*\n]+\*\*|`[^`\n]+`))*(?:[ \t]:[^\n]{1,60})?[ \t]*$"
)
_TABLE_RULE = re.compile(r"\|?\s*+:?-+:?\s*+(?:\|\s*+:?-+:?\s*+)*+\|?$")


@dataclass(frozen=True, slots=True)
class Fence:
    """The line that opens fenced code."""

    #: what stands before the fence: its indentation, or the marks of the quotation or list that it stands in
    before: str
    #: the backticks or tildes
    mark: str
    #: the info string: the language, and whatever follows it
    info: str

    def is_closed_by(self, line: str, *, markers: bool = False) -> bool:
        """Return whether a line closes the code; one that is indented further than Markdown allows is code.

        :param markers: citation markers may stand behind the fence, where language models put them
        """
        if ">" not in self.before and _width(line) > len(self.before.expandtabs(4)) + _CLOSING_INDENT:
            return False
        bare = line.strip(" \t>") if ">" in self.before else line.strip()
        if markers:
            bare = _CITATION_MARKERS.sub("", bare).rstrip()
        return bare.startswith(self.mark) and not bare.strip(self.mark[0])


def _width(line: str) -> int:
    """Return how many columns a line is indented."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(4))


def open_fence(line: str, *, nested: bool = False) -> Fence | None:
    """Return the fence that a line, or the first line of a block, opens.

    :param nested: it may stand in a quotation or behind the mark of a list item, as authors write it; documents of
        sources have their fences behind nothing but spaces
    """
    if "```" not in line and "~~~" not in line:
        return None
    match = (_NESTED_FENCE if nested else _PLAIN_FENCE).match(line)
    return Fence(match["before"], match["mark"], match["info"]) if match else None


def lines_with_code(lines: Iterable[str], *, nested: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each line and whether it is fenced code; the fences themselves are.

    :param nested: as in `open_fence`
    """
    fence: Fence | None = None
    for line in lines:
        if fence:
            yield line, True
            if fence.is_closed_by(line):
                fence = None
        else:
            fence = open_fence(line, nested=nested)
            yield line, fence is not None


def blocks(lines: str | Iterable[str], *, headings: bool = True, markers: bool = False) -> Iterator[str]:
    """Yield the blocks of a text, each as soon as its last line is known; none is empty.

    A block is fenced code with its blank lines, a heading, or a run of lines between blank lines: a paragraph, list or
    table. Each stands in the text as it is yielded.

    :param lines: a text, or its lines as they arrive
    :param headings: a heading is a block of its own, even without a blank line around it
    :param markers: as in `Fence.is_closed_by`
    """
    run: list[str] = []
    fence: Fence | None = None
    for line in lines.split("\n") if isinstance(lines, str) else lines:
        if fence:
            run.append(line)
            if fence.is_closed_by(line, markers=markers):
                yield "\n".join(run)
                run, fence = [], None
            continue
        fence = open_fence(line)
        is_alone = headings and is_heading(line)
        if run and (fence or is_alone or not line.strip()):
            yield "\n".join(run)
            run = []
        if is_alone:
            yield line
        elif line.strip():
            run.append(line)
    if run:
        yield "\n".join(run)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level, 1 to 6, and its text, which may be empty."""

    level: int
    text: str


def heading(line: str, *, indent: int = 0) -> Heading | None:
    """Return the heading that a line is; None if it is none. Closing "#" behind a space are no part of its text.

    :param indent: how many spaces may stand before it; CommonMark allows three, documents of sources have none
    """
    match = _HEADING.match(line)
    if match is None or len(match["indent"]) > indent:
        return None
    text = (match["text"] or "").strip()
    bare = text.rstrip("#")
    return Heading(len(match["marks"]), bare.rstrip() if bare != text and (not bare or bare[-1] in " \t") else text)


def is_heading(block: str) -> bool:
    """Return whether a block is a heading at the margin."""
    return block.startswith("#") and heading(block) is not None


def is_code(block: str) -> bool:
    """Return whether a block is fenced code."""
    return open_fence(block) is not None


def is_table(block: str) -> bool:
    """Return whether a block is a table with a head."""
    lines = block.split("\n", 2)
    return len(lines) > 1 and lines[0].lstrip().startswith("|") and bool(_TABLE_RULE.match(lines[1].strip()))


def is_item(block: str) -> bool:
    """Return whether a block begins with an item of a list, or with a term in bold that is defined below it."""
    return bool(_ITEM.match(block))


def is_term(line: str) -> bool:
    """Return whether a line is nothing but bold text or code: a term that is defined below it, or a label."""
    return line.lstrip()[:1] in ("*", "`") and len(line) <= _LONGEST_TERM and bool(_TERM.match(line))


def terms(block: str) -> tuple[list[str], str]:
    """Return the terms that a block begins with, one a line, and the definition below them.

    Without a definition in the same block there are no terms.
    """
    lines = block.split("\n")
    count = next((at for at, line in enumerate(lines) if not is_term(line)), len(lines))
    return (lines[:count], "\n".join(lines[count:])) if count < len(lines) else ([], block)
