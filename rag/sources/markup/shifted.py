"""Superscript and subscript text on a line of plain text: 10^-6, x_1, H2O, 1st."""

from __future__ import annotations

import re

__all__ = ["lowered", "raised"]

_SIGNS = "-+\u2212–±"
_MAX_EXPONENT = 24
#: an exponent or index of several parts: n+1, -x^2, i, j
_EXPONENT = re.compile(rf"^[{_SIGNS}]?\w*(?:\s?[{_SIGNS}*/·,=^_()]\s?\w*)+$")
#: trade marks, and the marks of footnotes
_MARK = re.compile(r"^(?:TM|SM|[™®©℠*†‡§¶]+|\(?[rc]\)|\[.*\])$", re.IGNORECASE)
_CHEMICAL = re.compile(r"(?:^|[^a-z])(?:[A-Z][a-z]?\d*)+[)\]]?$")


def raised(before: str, text: str) -> str:
    """Return superscript text as it follows other text: an exponent after ^, an ordinal's ending as it is."""
    if not text or not (before[-1:].isalnum() or before[-1:] in ")]}\u2019'"):
        return text
    if _MARK.match(text) or text in ("st", "nd", "rd", "th"):
        return text
    if re.fullmatch(rf"[{_SIGNS}]?\w{{1,6}}", text):
        return f"^{text}"
    return f"^({text})" if len(text) <= _MAX_EXPONENT and _EXPONENT.match(text) else f" {text}"


def lowered(before: str, text: str) -> str:
    """Return subscript text as it follows other text: an index after _, the numbers of H2O as they are."""
    if not text or not before[-1:].isalnum() or (text.isdigit() and _CHEMICAL.search(before[-_MAX_EXPONENT:])):
        return text
    if re.fullmatch(r"\w{1,6}", text):
        return f"_{text}"
    return f"_({text})" if len(text) <= _MAX_EXPONENT and _EXPONENT.match(text) else f" {text}"
