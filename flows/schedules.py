"""When each source is synced, and how old it may grow."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import timedelta

from rag.settings import SourceConfig

__all__ = ["DAILY", "MAINTENANCE", "WATCH", "WEEKLY", "longest_ages", "schedule_of"]

#: Monday 00:00 UTC: the week that a full reconcile closes.
WEEKLY = "0 0 * * MON"
#: 06:00 UTC: the nightly syncs begin before five.
DAILY = "0 6 * * *"
#: Sunday 06:00 UTC, after the night's syncs and long before the full ones.
MAINTENANCE = "0 6 * * SUN"
#: Every hour, after the last of the hourly syncs.
WATCH = "58 * * * *"

# One turn may fail and another be late before anybody is told.
_TURNS = 3


def schedule_of(source: SourceConfig) -> str:
    """Return when a source is synced, in cron's words: GitHub every hour, others every night, each at its own minute.

    The minute comes from the name, so that it stays when sources come and go, and is never the first of an hour,
    which belongs to the weekly run.
    """
    place = zlib.crc32(source.name.encode())
    minute = 5 + place % 50
    return f"{minute} * * * *" if source.kind == "github" else f"{minute} {1 + place // 50 % 4} * * *"


def longest_ages(sources: Iterable[SourceConfig]) -> dict[str, timedelta]:
    """Return how long ago the last success of each source may be."""
    turn = {"github": timedelta(hours=1)}
    return {source.name: _TURNS * turn.get(source.kind, timedelta(days=1)) for source in sources}
