"""Word stems, as Postgres's dictionaries make them for keyword search: the Snowball stemmer of the word's script."""

from __future__ import annotations

import re
from functools import cache, lru_cache

import Stemmer

__all__ = ["stem"]

# The scripts whose words have a stemmer of their own; sql/migrations names the same.
_SCRIPTS = {"russian": "[\u0400-\u04ff]", "greek": "[\u0370-\u03ff]", "arabic": "[\u0600-\u06ff]"}


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a word in lower case: "decorators" and "decorator" have the stem "decor"."""
    stemmed: str = _stemmer(_language(word)).stemWord(word)
    return stemmed


def _language(word: str) -> str:
    if word.isascii():
        return "english"
    return next((language for language, letters in _SCRIPTS.items() if re.search(letters, word)), "english")


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(language)
