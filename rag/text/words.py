"""The words of a text that carry meaning, to compare two texts by."""

from __future__ import annotations

import re

__all__ = ["FUNCTION_WORDS", "stems", "words"]

_ENGLISH = """
a an and are as at be but by can could do does for from had has have how i if in into is it its may me my no not
of on or our should so some than that the their them then there these they this to was we were what when where
which who why will with would you your
"""
#: English words that do not tell what a text is about.
FUNCTION_WORDS = frozenset(_ENGLISH.split())

_WORD = re.compile(r"[A-Za-z0-9_]+")
# The endings of English words rarely change their first six letters.
_STEM_LENGTH = 6


def words(text: str) -> set[str]:
    """Return the words of a text in lower case, without function words."""
    return {word for word in map(str.lower, _WORD.findall(text)) if word not in FUNCTION_WORDS}


def stems(text: str) -> set[str]:
    """Return the first six letters of each word that carries meaning: "backups" and "backup" share a stem."""
    return {word[:_STEM_LENGTH] for word in words(text)}
