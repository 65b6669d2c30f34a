"""Text on one line: for messages, logs and comparisons."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(text: object) -> str:
    """Return the string of an object with every run of white space, line breaks included, as a single space."""
    return " ".join(str(text).split())
