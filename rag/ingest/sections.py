"""The sections of a Markdown document: the blocks below each heading, with the path of titles down to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rag.text.anchors import Anchor, split_anchor
from rag.text.blocks import blocks, heading, is_code

__all__ = ["Block", "Section", "sections"]

#: Below every heading.
_TERM_LEVEL = 7
_LONGEST_TERM = 120


@dataclass(slots=True)
class Block:
    """A paragraph, list, table or fenced code, without the anchor mark that stood on its first line."""

    text: str
    anchor: Anchor | None = None
    tokens: int = 0


@dataclass(slots=True)
class Section:
    """The blocks below one heading; `path` holds the titles down to it."""

    path: tuple[str, ...]
    anchor: Anchor | None
    blocks: list[Block] = field(default_factory=list)


def sections(text: str, title: str) -> Iterator[Section]:
    """Yield the sections of a document in their order; some have no blocks.

    :param title: the document's, which begins every path; empty if it has none
    """
    path: list[tuple[int, str, Anchor | None]] = []
    section = Section((title,) if title else (), None)
    term: Block | None = None
    for block in map(_block, blocks(text)):
        found = heading(block.text)
        if found:
            level, name = found.level, found.text
        elif block.anchor and "\n" not in block.text and len(block.text) <= _LONGEST_TERM:
            # A single line with an anchor, such as a term of a definition list, is a heading of the text below it.
            level, name = _TERM_LEVEL, re.sub(r"[*`]+", "", block.text)
        else:
            section.blocks.append(block)
            continue
        yield _closed(section, term)
        term = None if found else block
        path = [above for above in path if above[0] < level]
        # A heading without an anchor is linked to by the anchor of the heading above it.
        anchor = block.anchor or (path[-1][2] if path else None)
        path.append((level, name, anchor))
        titles = [above for _, above, _ in path]
        if title and titles[0] != title:
            titles.insert(0, title)
        section = Section(tuple(titles), anchor)
    yield _closed(section, term)


def _closed(section: Section, term: Block | None) -> Section:
    """Return a section; a term with nothing below it becomes text of the section above."""
    if term and not section.blocks:
        return Section(section.path[:-1], section.anchor, [term])
    return section


def _block(text: str) -> Block:
    if is_code(text):
        return Block(text)
    first, *others = text.split("\n")
    first, anchor = split_anchor(first)
    return Block("\n".join([first, *others]).strip("\n"), anchor) if anchor else Block(text)
