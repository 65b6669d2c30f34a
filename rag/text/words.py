"""The words of a text that carry meaning, in any script, to compare two texts by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

__all__ = ["FUNCTION_WORDS", "folded", "is_vietnamese", "stems", "syllable_pairs", "words", "words_in_order"]

_ENGLISH = """
a an and are as at be but by can could do does for from had has have how i if in into is it its may me my no not
of on or our should so some than that the their them then there these they this to was we were what when where
which who why will with would you your
"""
#: English words that do not tell what a text is about.
FUNCTION_WORDS = frozenset(_ENGLISH.split())

_ASCII_WORD = re.compile(r"[A-Za-z0-9_]+")
# Scripts that put no space between words, and Korean, whose particles are written on to the word. Their words are the
# pairs of neighbouring characters, as in Lucene's CJK analyzer: sql/migrations defines the same for keyword search.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\u30fc\u3005"
# The letters that no other language has, of which Vietnamese texts have 5% and more.
_VIETNAMESE = re.compile("[ơư\u1ea4-\u1eb7\u1ebe-\u1ec7\u1ed0-\u1ee3\u1ee8-\u1ef1]")
_VIETNAMESE_SHARE = 0.03
# The endings of English words rarely change their first six letters.
_STEM_LENGTH = 6


def words(text: str) -> set[str]:
    """Return the words of a text in lower case, without function words."""
    if text.isascii():  # most texts, in a fifth of the time
        return {word for word in map(str.lower, _ASCII_WORD.findall(text)) if word not in FUNCTION_WORDS}
    return {word for word in _words_of_any_script(folded(text)) if word not in FUNCTION_WORDS}


def stems(text: str) -> set[str]:
    """Return the first six letters of each word that carries meaning: "backups" and "backup" share a stem."""
    return {word[:_STEM_LENGTH] for word in words(text)}


def is_vietnamese(text: str) -> bool:
    """Return whether a text has as many letters of Vietnamese as a Vietnamese one."""
    letters = sum(map(str.isalpha, text))
    return not text.isascii() and len(_VIETNAMESE.findall(folded(text))) > _VIETNAMESE_SHARE * letters


def syllable_pairs(text: str) -> set[str]:
    """Return the pairs of neighbouring syllables, by which texts are compared that write syllables apart."""
    return set(map(" ".join, pairwise(words_in_order(folded(text)))))


def words_in_order(text: str) -> list[str]:
    """Return all words of a text in their order, as they are written; function words are among them."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return list(_words_of_any_script(unicodedata.normalize("NFKC", text)))


def folded(text: str) -> str:
    """Return a text in lower case, with one form for each character: no full-width letters, no detached accents."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


def _words_of_any_script(text: str) -> Iterator[str]:
    for match in _pattern().finditer(text):
        run = match["unspaced"]
        if run is None:
            yield match[0]
        elif len(run) == 1:
            yield run
        else:
            yield from map("".join, pairwise(run))


@cache
def _pattern() -> regex.Pattern[str]:
    import regex  # takes 18 ms, and only texts with other letters than English ones need it

    return regex.compile(rf"(?V1)(?P<unspaced>[{_UNSPACED}]+)|[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]+")
