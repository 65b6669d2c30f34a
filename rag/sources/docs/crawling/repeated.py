"""Blocks that stand word for word on many pages of a site, such as a notice of cookies, are left out of its documents.

The pages themselves decide: a block of text at the edge of a page is left out if at least eight pages have it, and at
least three in ten. A page of which nothing would be left stays whole. What a page's document lacks is a function of the
current pages of the site alone, so that an incremental crawl and a full one agree.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rag.text.blocks import is_heading, lines_with_code

__all__ = ["Blocks", "repeated", "to_cut"]

_MIN_PAGES = 8
_MIN_SHARE = 0.3
#: The number of blocks of text at the start of a page, and at its end, that may be boilerplate.
_EDGE = 6
#: A shorter block, such as "Deprecated.", may be content of each page.
_MIN_WORDS = 3
_MIN_CHARACTERS = 12
#: Scripts without blanks between words write more than this in what counts as one.
_LONG_WORD = 30
_WORD = re.compile(r"\w+")
#: "Languages: en | fr | pt-br", in characters, and one of the choices in it.
_MAX_CHOICES = 200
_MAX_CHOICE = 20
_LANGUAGES = re.compile(r"\s*[a-z]{2}(?:-[a-z]{2,4})?(?:[\s,/]+[a-z]{2}(?:-[a-z]{2,4})?)*$", re.IGNORECASE)
_LEVELS = 6
#: In place of all blocks that are not text at an edge; it is never left out.
_OTHER = 0


@dataclass(slots=True)
class _Part:
    """A heading, or a block with its hash; code and short blocks have the hash `_OTHER`."""

    #: its lines in the page
    lines: range
    #: of a heading, else 0
    level: int = 0
    hash: int = _OTHER


class Blocks:
    """The blocks of one page.

    :param text: Markdown
    """

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._parts = list(_parts(self._lines))
        at_edge = [part for part in self._parts if part.hash != _OTHER]
        self._edges = at_edge[:_EDGE] + at_edge[_EDGE:][-_EDGE:]
        self._has_other = len(at_edge) > 2 * _EDGE or any(
            not part.level and part.hash == _OTHER for part in self._parts
        )

    @property
    def edges(self) -> tuple[int, ...]:
        """The hashes of the blocks at the edges, each once."""
        hashes = dict.fromkeys(part.hash for part in self._edges)
        return (*hashes, _OTHER) if self._has_other else tuple(hashes)

    def sample(self, block: int) -> str:
        """Return the text of a block at an edge on one line."""
        return next(_text(self._lines, part.lines) for part in self._edges if part.hash == block)

    def without(self, cut: Iterable[int]) -> str:
        """Return the text without some blocks at its edges, and without headings that have nothing left below them."""
        hashes = set(cut)
        gone = [part for part in self._edges if part.hash in hashes]
        gone += _emptied_headings(self._parts, {id(part) for part in gone})
        dropped = {number for part in gone for number in part.lines}
        kept: list[str] = []
        for number, line in enumerate(self._lines):
            is_left_over = not line.strip() and number - 1 in dropped
            if number in dropped or is_left_over:
                dropped.add(number)
            else:
                kept.append(line)
        return "\n".join(kept).rstrip("\n") if gone else "\n".join(kept)


def _parts(lines: list[str]) -> Iterator[_Part]:
    start: int | None = None
    has_code = False
    for number, (line, is_code) in enumerate(lines_with_code(lines, nested=True)):
        if is_code or (line.strip() and not is_heading(line)):
            start = number if start is None else start
            has_code = has_code or is_code
            continue
        if start is not None:
            yield _block(lines, range(start, number), has_code)
            start, has_code = None, False
        if line.strip():
            yield _Part(range(number, number + 1), level=len(line) - len(line.lstrip("#")))
    if start is not None:
        yield _block(lines, range(start, len(lines)), has_code)


def _text(lines: list[str], numbers: range) -> str:
    return " ".join(" ".join(lines[numbers.start : numbers.stop]).split())


def _block(lines: list[str], numbers: range, has_code: bool) -> _Part:
    text = _without_choices(_text(lines, numbers))
    is_phrase = len(text) >= _MIN_CHARACTERS and len(_WORD.findall(text)) >= _MIN_WORDS
    is_text = not has_code and (is_phrase or len(text) > _LONG_WORD)
    return _Part(numbers, hash=_hash(text) if is_text else _OTHER)


def _without_choices(text: str) -> str:
    """Return the label of a list of languages or versions, which differs from page to page; other text as it is."""
    label, colon, rest = text.partition(":") if len(text) <= _MAX_CHOICES else (text, "", "")
    parts = [part.strip() for part in rest.split("|")]
    are_short = len(parts) > 1 and all(0 < len(part) <= _MAX_CHOICE for part in parts)
    return f"{label}: one of several" if colon and (are_short or _LANGUAGES.match(rest)) else text


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1


def _emptied_headings(parts: list[_Part], gone: set[int]) -> list[_Part]:
    """Return the headings of sections that held nothing but blocks that are gone; the title of the page stays."""
    emptied: list[_Part] = []
    # By level: whether the section of a heading that stands above has content, and whether it had some before.
    has_content = [False] * (_LEVELS + 1)
    had_content = [False] * (_LEVELS + 1)
    for part in reversed(parts):
        if not part.level:
            had_content = [True] * (_LEVELS + 1)
            has_content = has_content if id(part) in gone else [True] * (_LEVELS + 1)
            continue
        is_emptied = part.level > 1 and had_content[part.level] and not has_content[part.level]
        if is_emptied:
            emptied.append(part)
        for level in range(_LEVELS + 1):
            if level >= part.level:
                has_content[level] = had_content[level] = False
            elif not is_emptied:
                has_content[level] = True
    return emptied


def repeated(edges: Iterable[tuple[int, ...]]) -> frozenset[int]:
    """Return the blocks that stand on so many pages that they are boilerplate.

    :param edges: the `Blocks.edges` of each page of the site
    """
    pages = 0
    counts: Counter[int] = Counter()
    for page in edges:
        pages += 1
        counts.update(page)
    least = max(_MIN_PAGES, math.ceil(_MIN_SHARE * pages))
    return frozenset(block for block, count in counts.items() if count >= least and block != _OTHER)


def to_cut(edges: tuple[int, ...], blocks: frozenset[int]) -> tuple[int, ...]:
    """Return the blocks at the edges of a page that its document lacks: none, if nothing would be left of it."""
    found = tuple(block for block in edges if block in blocks)
    return found if len(found) < len(edges) else ()
