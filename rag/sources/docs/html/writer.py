"""Assemble Markdown: blocks inside lists and quotations, labels above them, anchors on their first lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from rag.sources.markup.escape import escape_line_starts
from rag.text.anchors import anchored, split_anchor
from rag.text.lines import one_line

__all__ = ["INVISIBLE", "LINE_BREAK", "MarkdownWriter"]

#: Inline text that stands for a line break.
LINE_BREAK = "\x01"
#: Zero-width characters, and the private ones that icon fonts use.
INVISIBLE = re.compile("[\u200b\ufeff\u00ad\ue000-\uf8ff]")
#: Characters of ids that a fragment has only percent-encoded.
_NOT_IN_FRAGMENT = re.compile(r"[\s{}]")
#: What a theme asks below a page, with the buttons that answer it.
_ASKS_READERS = re.compile(
    r"^(?:was this (?:page |article |section |topic |guide )?(?:helpful|useful)|did this (?:page|article) help you)\?"
    r"(?: yes)?(?: no)?$",
    re.IGNORECASE,
)
#: A shorter line that ends with punctuation is a sentence, or part of one, and gets no anchor.
_TERM_LENGTH = 120


@dataclass(slots=True)
class _Frame:
    """An open list item, quotation or definition: the prefixes of its first line and of its other lines."""

    first: str
    rest: str
    used: bool = False
    #: the first block has no prefix at all: it stands below the term that it defines
    is_definition: bool = False

    @property
    def below(self) -> str:
        """The prefix of the lines below the first of the next block."""
        return "" if self.is_definition and not self.used else self.rest


class MarkdownWriter:
    """Collects the inline text of a block, and the blocks of a page.

    A label is bold text that precedes the next block: the title of a note, the name of a tab.
    """

    def __init__(self) -> None:
        #: pieces of the inline text that is not written yet
        self.inline: list[str] = []
        #: the fragment that the next block can be linked to by
        self.anchor: str | None = None
        #: ids that several elements have
        self.repeated: Collection[str] = ()
        self._blocks: list[str] = []
        self._cited: set[str | None] = set()
        self._frames: list[_Frame] = []
        self._label = ""
        self._label_joint = "\n"
        #: the fragment of the term that waits
        self._term_anchor: str | None = None
        self._is_after_item = False

    @property
    def block_count(self) -> int:
        """How many blocks are written, their separators counted."""
        return len(self._blocks)

    @property
    def has_pending_term(self) -> bool:
        """Whether the term of a definition waits for its block."""
        return bool(self._label) and self._label_joint == "\n"

    @property
    def may_hang(self) -> bool:
        """Whether the next definition may indent its blocks: not if its term has an anchor, or is a label."""
        is_inside = any(frame.is_definition for frame in self._frames)
        return self.has_pending_term and not (self._term_anchor or self._label.endswith(":**") or is_inside)

    @property
    def has_label(self) -> bool:
        """Whether a label waits for its block."""
        return bool(self._label)

    def markdown(self) -> str:
        """Finish the page and return its Markdown."""
        self.finish_block()
        return "".join(self._blocks).strip("\n")

    def one_line(self, joint: str) -> str:
        """Finish the text and return it on one line, without anchors.

        :param joint: replaces line breaks
        """
        if not self._blocks and not self._label:
            return collapse(self.inline).replace("\n", joint)
        self.finish_block()
        lines = (line.strip() for line in "".join(self._blocks).split("\n"))
        return joint.join(split_anchor(line)[0] for line in lines if line)

    @contextmanager
    def indented(self, first: str, rest: str, *, used: bool = False) -> Iterator[None]:
        """Write blocks in a list item or quotation.

        :param first: the prefix of the first line
        :param rest: the prefix of the other lines
        :param used: the first line is already written
        """
        self._frames.append(_Frame(first, rest, used))
        yield
        self._frames.pop()

    @contextmanager
    def defining(self) -> Iterator[None]:
        """Write the blocks of a definition; those after the first are indented, so that they are a part of it."""
        self._frames.append(_Frame("", "  ", is_definition=True))
        yield
        self._frames.pop()

    def drop_indentation(self) -> None:
        """Write the blocks of all open list items at the margin: a heading there is a heading of the page."""
        for frame in self._frames:
            frame.first = frame.rest = ""

    def end_list(self) -> None:
        """Let the next item begin a list of its own, unless this list is inside another."""
        if not self._frames:
            self._is_after_item = False

    def set_label(self, text: str, closing: str, joint: str = "\n") -> None:
        """Set the label of the next block.

        :param closing: the end of the label: punctuation and "**"
        :param joint: stands between the label and a paragraph
        """
        self.write_label()
        text = text.strip().strip("*").rstrip(":").strip()
        if text:
            self._label, self._label_joint = f"**{text}{closing}", joint

    def set_term(self, text: str, anchor: str | None = None) -> None:
        """Set a term as the label of the next block, so that its definition follows on the next line.

        Several names in a row share it. A signature that has an anchor precedes its synonym as a block of its own.

        :param text: Markdown; a signature is a code span, a name is bold
        :param anchor: the fragment of the term; that of the first of several names is kept
        """
        if self.has_pending_term and not (self._term_anchor and text.startswith("`")):
            joint = "\n" if text.startswith("`") else ", "
            self._label = f"{self._label}{joint}{text}"
        else:
            self.write_label()
            self._label, self._label_joint = text, "\n"
        self._term_anchor = self._term_anchor or anchor

    def write_label(self) -> None:
        """Write a label that has no block to join."""
        if self._label:
            label, self._label = self._label, ""
            outer, self.anchor = self.anchor, self._term_anchor or self.anchor
            is_of_term, self._term_anchor = self._term_anchor is not None, None
            self.write_block(label)
            if is_of_term:
                self.anchor = outer

    def flush(self) -> None:
        """Write the inline text as a paragraph."""
        if self.inline:
            text = collapse(self.inline)
            self.inline = []
            if not _ASKS_READERS.match(text):
                self.write_paragraph(text)

    def finish_block(self) -> None:
        """Write the inline text, and a label that has no block to join."""
        self.flush()
        self.write_label()

    def write_paragraph(self, text: str) -> None:
        """Write text that must not be read as a heading or a fence, below the label."""
        if not text:
            return
        text = escape_line_starts(text)
        if self._label:
            text, self._label = f"{self._label}{self._label_joint}{text}", ""
            self.anchor, self._term_anchor = self._term_anchor or self.anchor, None
        self.write_block(text)

    def write_block(self, text: str) -> None:
        """Write a block, with its anchor, inside the lists and quotations that are open."""
        begins_item = any(not frame.used and frame.first.strip() not in ("", ">") for frame in self._frames)
        tight = begins_item and self._is_after_item
        first_prefix = "".join(frame.rest if frame.used else frame.first for frame in self._frames)
        rest_prefix = "".join(frame.below for frame in self._frames)
        for frame in self._frames:
            frame.used = True
        # An anchor stands on the first line of a block; an item in the middle of a list is not the first.
        if not tight:
            text = self._with_anchor(text)
        self.anchor = None
        if first_prefix or rest_prefix:
            text = first_prefix + text.replace("\n", f"\n{rest_prefix}")
        self._write(text, tight=tight)
        self._is_after_item = begins_item

    def _with_anchor(self, text: str) -> str:
        # An id that a page repeats leads to the first element that has it.
        if self.anchor in self._cited:
            return text
        first, newline, rest = text.partition("\n")
        if text.startswith("#") or newline or len(text) > _TERM_LENGTH or text[-1] not in ".:!?,;":
            if self.anchor in self.repeated:
                self._cited.add(self.anchor)
            fragment = _NOT_IN_FRAGMENT.sub(lambda match: quote(match[0]), self.anchor or "")
            return f"{anchored(first, fragment)}{newline}{rest}"
        return text

    def write_verbatim(self, text: str) -> None:
        """Write code or a table at the margin, since a prefix would change its lines."""
        self.anchor = None
        for frame in self._frames:
            frame.used = True
        self._write(text, tight=False)
        self._is_after_item = False

    def _write(self, text: str, *, tight: bool) -> None:
        if self._blocks:
            self._blocks.append("\n" if tight else "\n\n")
        self._blocks.append(text)


def collapse(pieces: Sequence[str]) -> str:
    """Join inline text: white space collapsed, invisible characters removed, line breaks as newlines."""
    text = INVISIBLE.sub("", "".join(pieces))
    if LINE_BREAK not in text:
        return one_line(text)
    return "\n".join(line for part in text.split(LINE_BREAK) if (line := one_line(part)))
