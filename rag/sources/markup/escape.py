"""Keep plain text from being read as Markdown blocks."""

from __future__ import annotations

import re

__all__ = ["escape_line_starts"]

_LINE_START = re.compile(r"^(#{1,6}(?=\s)|```|~~~)", re.MULTILINE)


def escape_line_starts(text: str) -> str:
    """Return a paragraph with a backslash before every line start that would be read as a heading or a fence."""
    return _LINE_START.sub(r"\\\1", text)
