"""Windows: the spans of time that a backfill is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Backfill", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time, [start, end), that a backfill is cut into."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Backfill:
    """A span of a GitHub source's past, cut into windows, oldest first."""

    source: str
    #: the same until it is finished, so that windows which are done can be told after an interruption
    id: str
    #: whether the windows reach back to the beginning
    whole: bool
    windows: tuple[Window, ...]
