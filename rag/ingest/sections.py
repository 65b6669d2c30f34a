"""The sections of a Markdown document: the blocks below each heading, with the path of titles down to it.

A definition begins with its term, and every block of it knows the term, so that no part of it stands without the term.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from rag.text.anchors import Anchor, split_anchor
from rag.text.blocks import blocks, heading, is_code, is_table, is_term, terms

__all__ = ["Block", "Section", "sections"]

_ITEM_MARK = re.compile(r"^(?:[-*+]|\d{1,3}[.)])[ \t]+")
#: Below every heading.
_TERM_LEVEL = 7
_LONGEST_TERM = 120
#: More terms in a row are an index, not the terms of one definition.
_MOST_TERMS = 8


@dataclass(slots=True)
class Block:
    """A paragraph, list, table or fenced code, without the anchor mark that stood on its first line."""

    text: str
    anchor: Anchor | None = None
    tokens: int = 0
    #: the lines of the term that it defines, empty if it is not a definition
    term: str = ""


@dataclass(slots=True)
class Section:
    """The blocks below one heading; `path` holds the titles down to it.

    The definition of a term that has an anchor is a section of its own, whose first block begins with the term.
    """

    path: tuple[str, ...]
    anchor: Anchor | None
    blocks: list[Block] = field(default_factory=list)
    is_definition: bool = False


def sections(text: str, title: str) -> Iterator[Section]:
    """Yield the sections of a document in their order; some have no blocks.

    :param title: the document's, which begins every path; empty if it has none
    """
    path: list[tuple[int, str, Anchor | None]] = []
    section = Section((title,) if title else (), None)
    waiting: list[Block] = []  # terms without a definition so far
    for block in map(_block, blocks(text)):
        found = heading(block.text)
        if not found and not _is_anchored_term(block):
            section.blocks.append(block)
            continue
        name = found.text if found else _name(block)
        if section.blocks or found or not _share(waiting, block):
            yield from _closed(section, waiting)
            waiting = []
        else:
            # The terms of one definition: its link is that of the first.
            name = ", ".join([*map(_name, waiting), name])
        if not found:
            waiting.append(block)
        path = [above for above in path if above[0] < (found.level if found else _TERM_LEVEL)]
        # A heading without an anchor is linked to by the anchor of the heading above it.
        anchor = (waiting[0] if waiting else block).anchor or (path[-1][2] if path else None)
        path.append((found.level if found else _TERM_LEVEL, name, anchor))
        titles = [above for _, above, _ in path]
        if title and titles[0] != title:
            titles.insert(0, title)
        section = Section(tuple(titles), anchor)
    yield from _closed(section, waiting)


def _is_anchored_term(block: Block) -> bool:
    """Return whether a block is a line with an anchor, such as a term of a definition list: it heads the text below."""
    return block.anchor is not None and "\n" not in block.text and len(block.text) <= _LONGEST_TERM


def _name(term: Block) -> str:
    return re.sub(r"[*`]+", "", term.text)


def _share(waiting: list[Block], block: Block) -> bool:
    """Return whether a term shares its definition with the terms right above it."""
    return 0 < len(waiting) < _MOST_TERMS and is_term(block.text) and all(is_term(term.text) for term in waiting)


def _closed(section: Section, terms_above: list[Block]) -> Iterator[Section]:
    """Yield a section, its definitions with their terms; terms with nothing below become text of the section above."""
    if not terms_above:
        _mark_definitions(section.blocks)
    elif section.blocks:
        _define(section, terms_above)
    else:
        section.path, section.blocks = section.path[:-1], terms_above
    yield section


def _define(section: Section, waiting: list[Block]) -> None:
    """Put the terms of a section above the first block of their definition."""
    term = "\n".join(one.text for one in waiting)
    first = section.blocks[0]
    section.is_definition = True
    if is_code(first.text) or is_table(first.text):
        section.blocks.insert(0, Block(term, section.anchor))
    else:
        first.text, first.anchor = f"{term}\n{first.text}", first.anchor or section.anchor
    for block in section.blocks:
        block.term = term


def _mark_definitions(found: list[Block]) -> None:
    """Give the blocks of a definition list their terms.

    A paragraph after a definition belongs to it if another definition follows; after the last one it does if it is
    indented, or if the last one is that of a signature, whose fields are labels: "**Returns:**".
    """
    last = 0
    signature = ""
    for place, block in enumerate(found):
        lines, _ = ([], "") if is_code(block.text) else terms(block.text)
        if not lines:
            block.term = signature
            continue
        block.term = "\n".join(lines)
        if signature and not block.anchor and block.term.endswith(":**"):
            block.term = signature
        elif block.anchor or signature:
            signature = block.term if block.anchor and block.term.startswith("`") else ""
        if last < place and found[last].term and not found[last].term.endswith(":**"):
            for between in found[last + 1 : place]:
                between.term = found[last].term
        last = place
    _mark_hanging(found[last:])
    for item, below in pairwise(found):
        # A paragraph below an item that is only a term, or below such a paragraph.
        if below.text.startswith("  ") and not below.term and not is_code(below.text):
            name = _ITEM_MARK.sub("", item.text)
            below.term = (
                item.term if item.text.startswith("  ") else name if name != item.text and is_term(name) else ""
            )


def _mark_hanging(found: list[Block]) -> None:
    """Give the indented paragraphs right below a definition its term, with the code and tables between them."""
    term = found[0].term if found and not found[0].text.startswith(" ") else ""
    between: list[Block] = []
    for block in found[1:]:
        if block.term or not term:
            return
        if block.text.startswith("  "):
            for inner in (*between, block):
                inner.term = term
            between = []
        elif is_code(block.text) or is_table(block.text):
            between.append(block)
        else:
            return


def _block(text: str) -> Block:
    if is_code(text):
        return Block(text)
    first, *others = text.split("\n")
    first, anchor = split_anchor(first)
    return Block("\n".join([first, *others]).strip("\n"), anchor) if anchor else Block(text)
