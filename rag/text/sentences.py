"""Sentences: where one ends and the next begins, by punctuation alone."""

from __future__ import annotations

import re
from itertools import pairwise

__all__ = ["sentences"]

# A mark that ends a sentence, quotes and brackets that close behind it, and the space before the next one.
_END = r"(?<=[.!?]){not_after}[\"')\]]*+\s++(?={start})"
_COARSE = _END.format(not_after="", start=r"[\"'(\[`*]*+[A-Z0-9]")
# "e.g. pg_dump" is no end of a sentence where a small letter may begin one.
_FINE = _END.format(not_after=r"(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<!cf\.)", start=r"\S")
#: (finer, lines): pattern
_ENDS = {
    (finer, lines): re.compile(end + (r"|\n" if lines else ""))
    for finer, end in ((False, _COARSE), (True, _FINE))
    for lines in (False, True)
}
_ITEM_NUMBER = re.compile(r"^[^\S\n]*\d{1,3}[.)](?P<space>\s+)", re.MULTILINE)


def sentences(text: str, *, finer: bool = False, lines: bool = False) -> list[str]:
    """Return the sentences of a text, each with the space behind it: joined, they give the text.

    The number of a list item is not a sentence.

    :param finer: a sentence may begin with anything: a small letter, such as in a name like pg_dump, or another script.
        By default it begins with a capital letter or a digit, so that nothing is cut that belongs together
    :param lines: a line break ends a sentence too
    """
    behind_numbers = {
        place for number in _ITEM_NUMBER.finditer(text) for place in range(number.start("space") + 1, number.end() + 1)
    }
    ends = (match.end() for match in _ENDS[finer, lines].finditer(text))
    places = [0, *(end for end in ends if end not in behind_numbers), len(text)]
    return [text[start:end] for start, end in pairwise(places) if start < end]
