"""Whether two texts that follow each other belong together.

Chunks are as long as the embedding model reads, so the edge between two of them can cut a piece of code, a table, a
list or a sentence, separate a sentence that ends in a colon from what it announces, or put an explanation that begins
with "This" into the next chunk. The two texts on both sides of the edge show whether it does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.text.blocks import blocks, is_code, is_item, is_table, terms

__all__ = ["counts_on", "is_name_line", "joined", "refers_back", "runs_on"]

_NUMBERED = re.compile(r"^[^\S\n]*(\d{1,3})[.)]\s", re.MULTILINE)
_NAME_LINE = re.compile(r"(?![-*] )[\w.()*`-]+(?:,? [\w.()*`-]+){0,3} (?:-|--|–|—) \w.*")
_REFERS_BACK = re.compile(
    r"(?:This|These|That|Those|It|They|Such|However|But|Also|Then|So|Thus|Hence|Therefore|Otherwise|Instead"
    r"|(?:In|For|At) (?:this|that|these|those|such)|The (?:same|above|latter|former|following example))\b"
)


def counts_on(last: str, next_: str) -> bool:
    """Return whether a block begins with the number that follows the last item number of the block before it."""
    counted, first = _NUMBERED.findall(last), _NUMBERED.match(next_)
    return bool(counted) and first is not None and int(first[1]) == int(counted[-1]) + 1


def refers_back(block: str) -> bool:
    """Return whether a paragraph begins with a word that refers to the text before it, such as "This"."""
    return bool(_REFERS_BACK.match(block))


def is_name_line(text: str) -> bool:
    """Return whether a text is the line of a manual page that says what it is about: "git-add - Add file contents"."""
    return bool(_NAME_LINE.fullmatch(text.strip()))


def runs_on(first: str, second: str) -> bool:
    """Return whether the edge between two chunks of one section cuts a block, or a block from its introduction."""
    before, after = list(blocks(first)), list(blocks(second))
    if not before or not after:
        return False
    last, next_ = before[-1], after[0]
    if last.rstrip().endswith(":") or _is_sentence_cut(last, next_) or _is_list_cut(before, next_):
        return True
    return joined(last, next_) is not None or (is_code(next_) and not is_code(last))


def joined(last: str, next_: str) -> str | None:
    """Return the code, table or definition that an edge cut into two blocks; None if they are two.

    The chunker repeats the opening fence of code, the head of a table, and the term of a definition in each part.
    """
    head, *rest = last.split("\n")
    again, *more = next_.split("\n")
    if head != again or not rest or not more:
        return None
    if is_code(last):
        return "\n".join([head, *rest[:-1], *more])
    if is_table(last) and is_table(next_) and rest[0] == more[0]:
        return "\n".join([head, *rest, *more[1:]])
    term, definition = terms(next_)
    return "\n".join([last, definition]) if term and term == terms(last)[0] else None


def _is_sentence_cut(last: str, next_: str) -> bool:
    # A sentence may begin with a name such as pg_dump, so a small letter alone does not show that it was cut.
    return next_[:1].islower() and not last.rstrip().endswith((".", "!", "?"))


def _is_list_cut(before: Sequence[str], next_: str) -> bool:
    last = before[-1]
    if counts_on(last, next_):
        return True
    if not (is_item(last) and is_item(next_)):
        return False
    if _NUMBERED.match(last) and _NUMBERED.match(next_):
        return True
    # Tables of contents and reference pages are lists over many chunks; only a list that a sentence announces is read
    # as a whole.
    introduction = next((block for block in reversed(before) if not is_item(block)), "")
    return introduction.rstrip().endswith(":")
