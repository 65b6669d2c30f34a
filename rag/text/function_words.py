"""The words of English that say nothing of what a text is about."""

from __future__ import annotations

__all__ = ["FUNCTION_WORDS"]

_ENGLISH = """
a an and are as at be but by can could do does for from had has have how i if in into is it its may me my no not
of on or our should so some than that the their them then there these they this to was we were what when where
which who why will with would you your
"""
FUNCTION_WORDS = frozenset(_ENGLISH.split())
