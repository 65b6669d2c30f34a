"""A part of an answer: what is checked and shown at once."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a block, or a whole one."""

    text: str
    #: what stands between the part and the one before it; None if a block begins with it
    joint: str | None = None
    #: whether its block ends with it
    ends: bool = True
