"""Parts of a written answer: what is checked and shown as soon as it is written, instead of whole paragraphs.

A part ends behind a sentence, or a line of a list, that has a marker, because what has none may be cited by what
follows. Code, tables and whatever is never cited are whole blocks. Where a part ends does not depend on how the text
arrives: a reply gives the same parts whole and token by token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from rag.answer.written.part import Part
from rag.text.blocks import Fence, open_fence
from rag.text.citation_forms import normalized
from rag.text.citations import MARKERS
from rag.text.sentences import sentences

__all__ = ["parts"]

# Any number of a source: whether the source exists is for the check to say.
_ANY = range(1, 1000)
# The markers behind a full stop, which belong to the sentence before it.
_LEADING = re.compile(rf"{MARKERS.pattern}[.,;:!?]?\s*")
# Before a citation in another form, such as 【1】 or (1), a sentence may not have ended.
_BEGINS = re.compile(r"[^\W_]|[`\"'“„«¿¡-]")


def parts(lines: Iterable[tuple[str, bool]]) -> Iterator[Part]:
    """Yield the parts of a reply, each as soon as it is known to be whole.

    :param lines: each line of the reply, and whether it is whole; one that is not comes again, longer
    """
    block = _Block()
    for line, is_whole in lines:
        if is_whole:
            yield from block.line(line)
        else:
            yield from block.sentences(line)
    yield from block.end()


class _Block:
    """The block that is being written."""

    def __init__(self) -> None:
        #: what is not yielded: whole lines, the first of which may have lost its beginning
        self._held: list[str] = []
        #: how much of the line that is being written has been yielded, in characters
        self._taken = 0
        self._joint: str | None = None
        self._fence: Fence | None = None

    def line(self, line: str) -> Iterator[Part]:
        """Take a whole line."""
        if self._fence:
            self._held.append(line)
            if self._fence.is_closed_by(line, markers=True):
                yield from self.end()
            return
        fence = None if self._taken else open_fence(line)
        if fence or not line.strip():
            yield from self.end()
        self._fence = fence
        yield from self.sentences(line)
        rest, self._taken = line[self._taken :], 0
        if rest.strip():
            self._held.append(rest)
            if not fence and not rest.lstrip().startswith("|") and _cites(rest):
                yield self._part("\n")

    def sentences(self, line: str) -> Iterator[Part]:
        """Take a line that is not whole, and yield its sentences up to the last that is known to be whole."""
        if self._fence or line.lstrip().startswith("|") or open_fence(line):
            return
        for end in _ends(line, self._taken):
            self._held.append(line[self._taken : end])
            self._taken = end
            yield self._part(" " if line[end - 1].isspace() else "")

    def end(self) -> Iterator[Part]:
        """End the block, if there is one."""
        if self._held or self._joint is not None:
            yield replace(self._part(None), ends=True)
        self._fence = None

    def _part(self, joint: str | None) -> Part:
        """Return what is held; `joint` stands between it and what comes next, None if a block begins there."""
        part = Part("\n".join(self._held).rstrip(), self._joint, ends=False)
        self._held, self._joint = [], joint
        return part


def _ends(line: str, taken: int) -> Iterator[int]:
    """Yield where sentences with markers end in a line behind what is taken; another sentence follows each."""
    begin, end = taken, 0
    for sentence, following in pairwise(sentences(line, finer=True)):
        end += len(sentence)
        markers = _LEADING.match(following)
        behind = end + (len(markers[0]) if markers else 0)
        if end <= begin or not _BEGINS.match(line, behind):
            continue
        passage = line[begin:behind]
        if passage.count("`") % 2 == 0 and _cites(passage):
            yield behind
            begin = behind


def _cites(text: str) -> bool:
    return bool(MARKERS.search(normalized(text, _ANY)))
