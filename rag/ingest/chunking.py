"""Split a Markdown document along its structure into chunks that fit the embedding model.

A chunk contains the text of one section; sections that are too short to be understood alone are joined. Code is split
between lines, tables between rows with their head repeated, prose between sentences; a definition that is split repeats
its term. Every chunk carries its heading path, which is embedded with it, and the URL with the fragment of its place on
the page.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode

from rag.ingest.sections import Block, Section, sections
from rag.text.anchors import Anchor
from rag.text.blocks import is_code, is_item, is_table, is_term, open_fence
from rag.text.sentences import sentences

__all__ = ["CHUNKING", "MarkdownChunker", "without_addresses"]

#: The version of these rules, stored with the index; a new version needs a new index.
CHUNKING = "markdown-7"

#: The address of a link or image, in parentheses behind its text.
_ADDRESS = re.compile(
    r"(?<=\])\(<?(?:https?://|/|\.|#)[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\)"
)

#: Between the blocks of a chunk.
_JOINT = "\n\n"
#: Between the titles of a heading path.
SEPARATOR = " › "
#: The rule below the head of a table; apart from its table it means nothing.
_RULE = re.compile(r"[ \t:-]*\|[ \t|:-]*\n?$")
#: The first cell of a row.
_ROW = re.compile(r"[ \t]*\|[ \t]*(?:[^|\\\s]|\\.)(?:[^|\\]|\\.)*\|")
_ITEM_START = re.compile(r"^(?=[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t])", re.MULTILINE)
#: The name or label that an item or a paragraph begins with: "- **x** (int): ", "**Note:** ".
_LEAD = re.compile(
    r"[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?(?:\*\*[^*\n]{1,120}\*\*|`[^`\n]{1,120}`)"
    r"(?:(?<=:\*\*)|(?:[ ]\([^()\n]{1,40}\))?(?::|[ ][—–-]))(?=\s)"
)
#: Where a sentence that is too long may be cut; scripts without spaces have commas of their own.
_CUTS = " ，、；،,"  # noqa: RUF001
#: The largest share of the embedding model's tokens for a heading path; a longer path loses its middle titles.
_HEADING_SHARE = 0.2
#: Tokens for [CLS], [SEP] and the blank line between heading path and text.
_RESERVED = 4


def without_addresses(text: str) -> str:
    """Return Markdown without the addresses of its links, which take an embedding model's tokens and mean nothing."""
    return _ADDRESS.sub("", text) if "](" in text else text


@dataclass(slots=True)
class _Piece:
    """The path, anchors and text of a chunk."""

    path: tuple[str, ...]
    #: (offset in the text, anchor), ascending
    anchors: tuple[tuple[int, Anchor], ...]
    text: str


class MarkdownChunker(NodeParser):
    r"""A LlamaIndex node parser for Markdown.

    Documents carry `url` and `title` in their metadata, as those of `rag.sources` do. Nodes inherit the metadata and
    add `heading`, the path of titles, which alone is embedded with the text. A chunk with several anchors lists them in
    `anchors`, as [offset in the text, fragment], and the attributes of its anchors in `passages`, as [offset,
    {attribute: value}]; `answer` is "accepted" if one of them is, else "maintainer" if one of them is.

    Example:
        >>> from llama_index.core import Document
        >>> chunker = MarkdownChunker(count_tokens=lambda text: len(text.split()), max_tokens=60)
        >>> page = Document(
        ...     id_="docs:intro",
        ...     text="# Guide\n\n## Install {#install}\n\nRun `make setup`. It takes two minutes and needs Python.",
        ...     metadata={"url": "https://example.org/guide", "title": "Guide"},
        ... )
        >>> node = chunker.get_nodes_from_documents([page])[0]
        >>> node.metadata["url"], node.metadata["heading"]
        ('https://example.org/guide#install', 'Guide › Install')

    :param count_tokens: returns the number of the embedding model's tokens in a text, without special tokens
    :param max_tokens: the most tokens that the embedding model reads, with special tokens
    :param merge_below: sections with fewer tokens are joined with the next one

    """

    max_tokens: int = Field(default=256, gt=16)
    merge_below: int = Field(default=32, ge=0)
    _count: Callable[[str], int] = PrivateAttr()

    def __init__(self, count_tokens: Callable[[str], int], **settings: Any) -> None:  # noqa: ANN401 - pydantic's
        super().__init__(include_prev_next_rel=False, **settings)
        self._count = count_tokens

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises this component."""
        return "MarkdownChunker"

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **_: Any) -> list[BaseNode]:  # noqa: ANN401
        return [node for document in nodes for node in self._cut(document)]

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Any]) -> list[BaseNode]:
        # The base class searches the document for each chunk's text; a table with a repeated head is not in it.
        return nodes

    def _cut(self, document: BaseNode) -> Iterator[TextNode]:
        metadata = dict(document.metadata)
        title = str(metadata.get("title", ""))
        base_url = str(metadata.get("url", ""))
        excluded = [key for key in metadata if key != "heading"]
        related = RelatedNodeInfo(node_id=document.node_id, hash=document.hash)
        seen: dict[str, int] = {}
        for piece in self._pieces(document.get_content(), title):
            heading = SEPARATOR.join(piece.path)
            digest = hashlib.sha256(f"{heading}\0{piece.text}".encode()).hexdigest()[:16]
            repeat = seen[digest] = seen.get(digest, -1) + 1
            added = _anchor_metadata(piece)
            yield TextNode(
                id_=f"{document.node_id}#{digest}" + (f"-{repeat}" if repeat else ""),
                text=piece.text,
                metadata={
                    **metadata,
                    "url": f"{base_url}#{piece.anchors[0][1].fragment}"
                    if piece.anchors and not piece.anchors[0][0]
                    else base_url,
                    "heading": heading,
                    **added,
                },
                excluded_embed_metadata_keys=[*excluded, *added],
                excluded_llm_metadata_keys=[*excluded, *added],
                metadata_template="{value}",
                text_template="{metadata_str}\n\n{content}",
                relationships={NodeRelationship.SOURCE: related},
            )

    def _pieces(self, text: str, title: str) -> Iterator[_Piece]:
        found = [section for section in sections(text, title) if section.blocks]
        for section in found:
            section.path = self._short_path(section.path)
            for block in section.blocks:
                block.tokens = self._count(block.text)
        for group in self._merged(found):
            yield from self._pack(group)

    def _short_path(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return a heading path that fits its share of the tokens: without middle titles, then with shortened ones."""
        room = int(self.max_tokens * _HEADING_SHARE)
        while len(path) > 2 and self._count(SEPARATOR.join(path)) > room:
            path = (path[0], *path[2:])
        if self._count(SEPARATOR.join(path)) > room:
            path = tuple(self._shorten(part, max(room // len(path) - 1, 1)) for part in path)
        return path

    def _shorten(self, title: str, room: int) -> str:
        words = title.split()
        while len(words) > 1 and self._count(" ".join(words)) > room:
            words = words[: max(1, len(words) * 3 // 4)]
        return " ".join(words)[: room * 8]

    def _merged(self, sections: Sequence[Section]) -> Iterator[Section]:
        """Join a section that is too short to be understood alone with the one after it."""
        held: Section | None = None
        for section in sections:
            if held is not None:
                if self._size(held) < self.merge_below or self._size(section) < self.merge_below:
                    joined = self._join(held, section)
                    if self._size(joined) <= self._room(joined.path):
                        held = joined
                        continue
                yield held
            held = section
        if held is not None:
            yield held

    def _join(self, first: Section, second: Section) -> Section:
        common: list[str] = []
        for one, other in zip(first.path, second.path, strict=False):
            if one != other:
                break
            common.append(one)
        path = tuple(common) or first.path
        blocks = [*self._with_title(first, path), *self._with_title(second, path)]
        return Section(path, first.anchor, blocks)

    def _with_title(self, section: Section, path: tuple[str, ...]) -> list[Block]:
        # The text of a definition begins with its term, which is the last title of its path.
        above = section.path[:-1] if section.is_definition else section.path
        below = above[len(path) :]
        if not below:
            return section.blocks
        line = f"{'#' * min(len(above), 6)} {SEPARATOR.join(below)}"
        return [Block(line, section.anchor, self._count(line)), *section.blocks]

    def _size(self, section: Section) -> int:
        return sum(block.tokens for block in section.blocks)

    def _room(self, path: tuple[str, ...]) -> int:
        return self.max_tokens - _RESERVED - self._count(SEPARATOR.join(path))

    def _pack(self, section: Section) -> Iterator[_Piece]:
        """Fill chunks evenly: three of 180 tokens are better than two of 250 and one of 40."""
        room = self._room(section.path)
        blocks = [part for block in section.blocks for part in self._split(block, room)]
        total = sum(block.tokens for block in blocks)
        target = total / -(-total // room) if total else 0
        here = anchor = section.anchor
        taken: list[Block] = []
        size = 0
        for block in blocks:
            here = block.anchor or here
            full = size + block.tokens > room
            even = size + block.tokens / 2 > target and size > 0
            if taken and (full or even):
                label = self._label_of(taken, block, room)
                yield _piece(section.path, anchor, taken)
                taken = [self._with_term(label, room - block.tokens)] if label else []
                size = sum(one.tokens for one in taken)
            if not taken:
                anchor = here
                block = self._with_term(block, room)
            taken.append(block)
            size += block.tokens
        if taken:
            yield _piece(section.path, anchor, taken)

    @staticmethod
    def _label_of(taken: list[Block], block: Block, room: int) -> Block | None:
        """Take the label of the next block, such as the name of a tab, off the end of a chunk that has more."""
        last = taken[-1]
        is_label = len(taken) > 1 and all(map(is_term, last.text.split("\n"))) and last.tokens + block.tokens <= room
        return taken.pop() if is_label else None

    def _with_term(self, block: Block, room: int) -> Block:
        """Return the first block of a chunk; a part of a definition begins with the term."""
        if not block.term or block.text.startswith(block.term):
            return block
        joint = _JOINT if is_code(block.text) or is_table(block.text) else "\n"
        # A paragraph is indented below the first of its definition, and a list keeps its indentation.
        text = block.text if joint == _JOINT or is_item(block.text) else block.text.lstrip(" ")
        whole = self._block(f"{block.term}{joint}{text}", block.anchor)
        return whole if whole.tokens <= room else block

    def _split(self, block: Block, room: int) -> Iterator[Block]:
        if not block.term:
            yield from self._parts(block, room)
            return
        left = room - self._count(block.term)
        if block.tokens <= (room if block.text.startswith(block.term) else left) or left < room // 2:
            parts: Iterator[Block] = self._parts(block, room)
        else:
            definition = block.text.removeprefix(block.term).lstrip("\n")
            parts = self._parts(Block(definition, block.anchor, self._count(definition)), left)
            if block.text.startswith(block.term):
                parts = (self._block(f"{block.term}\n{part.text}", part.anchor) for part in parts)
        for part in parts:
            part.term = block.term
            yield part

    def _parts(self, block: Block, room: int) -> Iterator[Block]:
        """Yield a block in parts that fit."""
        if block.tokens <= room:
            yield block
            return
        if is_code(block.text):
            opening, *lines = block.text.split("\n")
            closing = lines.pop() if lines and open_fence(lines[-1]) else "```"
            yield from self._regroup(lines, "\n", room, block.anchor, f"{opening}\n", f"\n{closing}")
        elif is_table(block.text):
            head, rule, *rows = block.text.split("\n")
            if self._count(f"{head}\n{rule}") > room // 2:
                # The head is too long to be repeated, and without it the rule below it means nothing.
                yield from self._regroup([head, *rows], "\n", room, block.anchor)
            else:
                left = room - self._count(f"{head}\n{rule}\n")
                parts = [part for row in rows for part in self._parts_of_row(row, left)]
                yield from self._regroup(parts, "\n", room, block.anchor, f"{head}\n{rule}\n")
        else:
            yield from self._regroup(list(self._units(block.text, room)), "", room, block.anchor)

    def _parts_of_row(self, row: str, room: int) -> Iterator[str]:
        """Yield a row; one that does not fit in parts, each with the cell that names it."""
        match = _ROW.match(row)
        if match is None or self._count(row) <= room or self._count(match[0]) > room // 3:
            yield row
            return
        rest = row[match.end() :].strip().removesuffix("|").rstrip()
        for part in self._regroup(sentences(rest), "", room - self._count(f"{match[0]} |"), None):
            yield f"{match[0]} {part.text.strip()} |"

    def _units(self, text: str, room: int) -> Iterator[str]:
        """Yield the sentences of a text; an item that begins with what it is about in one, or each part with that."""
        for item in _ITEM_START.split(text):
            match = _LEAD.match(item)
            left = room - self._count(match[0]) if match else 0
            if match is None or left < room // 2:
                yield from (unit for unit in sentences(item, lines=True) if not _RULE.match(unit))
            elif self._count(item) <= room:
                yield item
            else:
                for part in self._regroup(sentences(item[match.end() :], lines=True), "", left, None):
                    yield f"{match[0]} {part.text.strip()}\n"

    def _regroup(
        self,
        units: Sequence[str],
        joint: str,
        room: int,
        anchor: Anchor | None,
        before: str = "",
        after: str = "",
    ) -> Iterator[Block]:
        room -= self._count(before) + self._count(after)
        group: list[str] = []
        size = 0
        for unit in units:
            for part in self._fit(unit, room):
                tokens = self._count(part)
                if group and size + tokens > room:
                    yield self._block(before + joint.join(group) + after, anchor)
                    group, size = [], 0
                group.append(part)
                size += tokens
        if group:
            yield self._block(before + joint.join(group) + after, anchor)

    def _block(self, text: str, anchor: Anchor | None) -> Block:
        text = text.strip("\n")
        return Block(text, anchor, self._count(text))

    def _fit(self, unit: str, room: int) -> Iterator[str]:
        """Halve a unit, at a space or comma if there is one, until its parts fit."""
        if len(unit) <= 1 or self._count(unit) <= room:
            yield unit
            return
        middle = len(unit) // 2
        place = max(unit.rfind(mark, len(unit) // 4, middle) for mark in _CUTS)
        cut = place + 1 if place > 0 else middle
        yield from self._fit(unit[:cut], room)
        yield from self._fit(unit[cut:], room)


def _piece(path: tuple[str, ...], anchor: Anchor | None, blocks: Sequence[Block]) -> _Piece:
    anchors = [(0, anchor)] if anchor else []
    offset = 0
    for block in blocks:
        if block.anchor and offset and (not anchors or anchors[-1][1] != block.anchor):
            anchors.append((offset, block.anchor))
        offset += len(block.text) + len(_JOINT)
    return _Piece(path, tuple(anchors), _JOINT.join(block.text for block in blocks))


def _anchor_metadata(piece: _Piece) -> dict[str, Any]:
    """Return the metadata that a chunk adds to its document's: its anchors, if it has several, and their attributes."""
    found: dict[str, Any] = {}
    if len(piece.anchors) > 1:
        found["anchors"] = [[offset, anchor.fragment] for offset, anchor in piece.anchors]
    passages = [(offset, dict(anchor.attributes)) for offset, anchor in piece.anchors if anchor.attributes]
    if passages:
        found["passages"] = [list(passage) for passage in passages]
        answers = {attributes["answer"] for _, attributes in passages if "answer" in attributes}
        if answers:
            found["answer"] = min(answers)  # accepted comes before maintainer
    return found
