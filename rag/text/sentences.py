"""Sentences: where one ends and the next begins, by punctuation alone, in any script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

__all__ = ["sentences"]

# Full stops, question and exclamation marks that end a sentence without a space behind them: Chinese, Japanese and
# full-width; Hindi and its neighbours; Arabic and Urdu; Ethiopic, Burmese, Khmer, Mongolian, Armenian; the question
# mark that is Greek alone.
_STOPS = "。｡．！？︒﹒﹖﹗‼⁇⁈⁉।॥؟۔።፧፨။។៕᠃᠉։\u037e"  # noqa: RUF001
# Quotes and brackets that close behind such a mark, or behind a Latin one, and those that open a sentence.
_CLOSING = "\"')\\]”’»›」』）】》〉］｝"  # noqa: RUF001
_OPENING = "\"'(\\[`*“‘„«‹»›「『（【《〈［¿¡"  # noqa: RUF001
# German closes a quotation with the marks that open an English one; French puts a space before its mark. A semicolon
# behind a Greek word is a question mark, if a sentence begins after it.
_CLOSED = rf"(?:[{_CLOSING}“‘«]|[ \u00a0\u202f]»(?=\s))*+"  # noqa: RUF001
_LATIN_END = (
    rf"(?<=[.!?…]){{not_after}}{_CLOSED}\s++(?=[{_OPENING}]*+(?P<first>[^\W_]|_|\S))"
    r"|(?<=[\u0370-\u03ff\u1f00-\u1fff];)\s++(?=[\u0386-\u03ab\u1f08-\u1ffc])"
)
# Between two letters or digits that are not Chinese or Japanese, such a mark is the dot of an address: evil。com, which
# must not be cut in two.
_ALPHABETIC = r"[^\W_\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_NOT_A_DOT = rf"(?!(?<={_ALPHABETIC}[。｡．]){_ALPHABETIC})"  # noqa: RUF001
# A quotation that ends with a full stop goes on in the same sentence behind its bracket: 「はい。」と言った.
_OTHER_END = (
    rf"(?<=[{_STOPS}])(?![{_STOPS}.!?]){_NOT_A_DOT}"
    rf"(?:[{_CLOSING}]++(?![、，,とっがをはにで])\s*+|(?![{_CLOSING}])\s*+)"  # noqa: RUF001
)
# Thai and Lao write no mark at the end: a space, maybe behind a citation, stands between sentences and clauses, not
# between words.
_SPACE_END = r"(?<=[\u0e01-\u0edf\]]) +(?=[\u0e01-\u0edf])"
# Chinese and Japanese with the stops of ASCII, and a sentence of theirs that trails off.
_CJK = r"[\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_ASCII_END = rf"(?:(?<={_CJK}[.!?])|(?<=……)|(?<={_CJK}…))(?={_CJK})"
_COARSE = _LATIN_END.format(not_after="")
# "e.g. pg_dump" is no end of a sentence where a small letter may begin one.
_FINE = _LATIN_END.format(not_after=r"(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<!cf\.)")
#: Georgian letters, which Unicode calls small: capitals are for headlines only.
_WITHOUT_CAPITALS = frozenset(map(chr, range(0x10D0, 0x1100)))
_ITEM_NUMBER = re.compile(r"^[^\S\n]*\d{1,3}[.)](?P<space>\s+)", re.MULTILINE)


def sentences(text: str, *, finer: bool = False, lines: bool = False) -> list[str]:
    """Return the sentences of a text, each with the space behind it: joined, they give the text.

    The number of a list item is not a sentence.

    :param finer: a sentence may begin with anything, such as a small letter in a name like pg_dump. By default it
        begins with a capital letter, a digit, or a letter of a script without capitals, so that nothing is cut that
        belongs together
    :param lines: a line break ends a sentence too
    """
    behind_numbers = {
        place for number in _ITEM_NUMBER.finditer(text) for place in range(number.start("space") + 1, number.end() + 1)
    }
    ends = (end for end in _ends(text, finer=finer, lines=lines) if end not in behind_numbers)
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)]) if start < end]


def _ends(text: str, *, finer: bool, lines: bool) -> Iterator[int]:
    """Yield the ends of sentences and, if asked for, of lines."""
    for match in _pattern(finer=finer, lines=lines).finditer(text):
        first = match["first"]
        if first is None or finer or _begins(first):
            yield match.end()
        elif lines and "\n" in match[0]:
            yield match.start() + match[0].index("\n") + 1


@cache
def _pattern(*, finer: bool, lines: bool) -> re.Pattern[str]:
    """Return the pattern of the ends of sentences; compiling all four takes as long as a search."""
    ends = [_FINE if finer else _COARSE, _OTHER_END, _SPACE_END, _ASCII_END]
    return re.compile("|".join([*ends, "\n"] if lines else ends))


def _begins(first: str) -> bool:
    """Return whether a character begins a sentence: no small letter, and no sign."""
    return first.isalnum() and (not first.islower() or first in _WITHOUT_CAPITALS)
