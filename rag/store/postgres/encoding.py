"""Texts and values as Postgres can store them."""

from __future__ import annotations

import json
import re

__all__ = ["dump_json", "is_storable", "storable"]

_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_encoder = json.JSONEncoder(ensure_ascii=False)


def dump_json(value: object) -> str:
    """Return a value as JSON text whose strings are all storable."""
    text = _encoder.encode(value)
    # JSON escapes control characters as \\u; a text without such an escape needs no cleaning.
    if "\\u" in text or _UNSTORABLE.search(text):
        text = _encoder.encode(_storable_parts(value))
    return text


def _storable_parts(value: object) -> object:
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(key)): _storable_parts(part) for key, part in value.items()}
        case list() | tuple():
            return [_storable_parts(part) for part in value]
        case _:
            return value


def storable(text: str) -> str:
    """Return a text without the characters that Postgres cannot store or a terminal would interpret.

    Those are NUL, lone surrogates, and control characters other than tab and newline.
    """
    # Searching first takes a quarter of the time of replacing, and few texts have such a character.
    return _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text


def is_storable(text: str) -> bool:
    """Return whether a text can be stored as it is; see `storable`."""
    return not _UNSTORABLE.search(text)
