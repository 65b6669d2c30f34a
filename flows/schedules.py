"""The schedule of each source, and the age at which its last success causes an alert."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import timedelta

from rag.settings import SourceConfig

__all__ = ["DAILY", "MAINTENANCE", "REPORTS", "WATCH", "WEEKLY", "longest_ages", "schedule_of", "triage_schedule_of"]

#: Monday 00:00 UTC, for the weekly full syncs.
WEEKLY = "0 0 * * MON"
#: 06:00 UTC: the nightly syncs begin before five.
DAILY = "0 6 * * *"
#: Sunday 06:00 UTC, after the night's syncs and long before the full ones.
MAINTENANCE = "0 6 * * SUN"
#: Monday 07:00 UTC: before the week begins, after the full syncs.
REPORTS = "0 7 * * MON"
#: Every hour, after the last of the hourly syncs.
WATCH = "58 * * * *"

# One run may fail and another be late before an alert is sent.
_INTERVALS = 3


def schedule_of(source: SourceConfig) -> str:
    """Return a source's cron schedule: GitHub every hour, others every night, each source at its own minute.

    The minute is derived from the name, so it does not change when other sources are added. It is never the first of
    an hour, when the weekly run starts.
    """
    place = zlib.crc32(source.name.encode())
    minute = 5 + place % 50
    return f"{minute} * * * *" if source.kind == "github" else f"{minute} {1 + place // 50 % 4} * * *"


def triage_schedule_of(source: SourceConfig) -> str:
    """Return the cron schedule of a source's triage: every hour, half an hour after its sync."""
    minute = int(schedule_of(source).split()[0])
    return f"{(minute + 30) % 60} * * * *"


def longest_ages(sources: Iterable[SourceConfig]) -> dict[str, timedelta]:
    """Return the longest time since the last success of each source before an alert is sent."""
    interval = {"github": timedelta(hours=1)}
    return {source.name: _INTERVALS * interval.get(source.kind, timedelta(days=1)) for source in sources}
