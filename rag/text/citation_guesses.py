"""Citations in a form that nobody has listed: a number near the end or at the beginning of a sentence.

Whether such a number cites is for the check to say: it does if the source with this number supports the rest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

__all__ = ["guesses"]

# How much of the end of a sentence may be a citation, in characters and words, and how many beginnings of it are tried.
_LONGEST, _MOST_WORDS, _MOST_GUESSES = 60, 5, 4
_END = re.compile(r"[\s.!?\u3002\uff01\uff1f]*$")
# A sign that may open a citation; signs that are common within sentences are excluded.
_SIGN = re.compile(r"[^\w\s.,;:!?%+=-]|[.,:](?=\d{1,2}$)|--?(?=\s?\W?\d)")
_NUMBER = re.compile(r"(?<!\d)(?<!\d\.)\d{1,2}(?![\d%])")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_WORD = re.compile(r"[^\W\d_]{2,}")
_LEADING = re.compile(r"\s*\W{0,3}(?:[^\W\d_]{1,20}[\s.:#]{1,3}){0,2}\W{0,3}(?P<number>\d{1,2})[^\w\s]{1,4}\s+(?=\S)")


def guesses(sentence: str, known: Collection[int]) -> Iterator[tuple[str, int, str]]:
    """Yield the ways to read a sentence without markers as one that cites, from the shortest citation on.

    :param known: numbers of sources
    :return: what the sentence says, the number that it may cite, and the marks at its end
    """
    end = _END.search(sentence)
    assert end is not None
    text, mark = sentence[: end.start()], end[0].strip()
    start = max(len(text) - _LONGEST, 0)
    found = 0
    for sign in reversed(list(_SIGN.finditer(text, start))):
        tail = unicodedata.normalize("NFKC", text[sign.start() :])
        numbers = [number for number in map(int, _NUMBER.findall(tail)) if number in known]
        if len(_WORD.findall(tail)) > _MOST_WORDS or found == _MOST_GUESSES:
            break
        said = text[: sign.start()].rstrip(" \t([{<\\$")
        if numbers and all(said.count(opening) <= said.count(closing) for opening, closing in _PAIRS):
            found += 1
            yield said, numbers[0], mark or "."
    leading = _LEADING.match(sentence)
    if leading and int(leading["number"]) in known:
        yield sentence[leading.end() : end.start()], int(leading["number"]), mark
