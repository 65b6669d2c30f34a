"""Sets of names in one string, which is easier to read than a literal of a hundred strings."""

from __future__ import annotations

__all__ = ["names"]


def names(text: str) -> frozenset[str]:
    """Return the names in a text that are separated by white space."""
    return frozenset(text.split())
