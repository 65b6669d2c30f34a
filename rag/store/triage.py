"""Triage: the issues that it compares, what replays taught, and the comments that were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Json, Jsonb

from rag.store.statements import Reads

__all__ = ["Calibrated", "StagedIssue", "Triage", "WrittenComment"]


@dataclass(frozen=True, slots=True)
class StagedIssue:
    """An issue as staged, with what its comments say. Times are in ISO 8601."""

    number: int
    data: dict[str, Any]
    comment_times: Sequence[str]
    #: (time, text) of the comments that may declare it a duplicate
    declaring: Sequence[tuple[str, str]]
    #: whether a maintainer has commented
    is_answered: bool
    #: the text of its last comment, and whether a bot wrote it
    last_comment: tuple[str, bool]
    #: (number, time of the merge) of the pull requests that say they fix it
    fixed_by: Sequence[tuple[int, str]]
    #: the numbers of the threads that people name in its comments
    mentions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What the last replay of a source taught."""

    at: datetime
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WrittenComment:
    """A comment of this program; `comment` is its id on GitHub, None if the author of the issue did not want it."""

    number: int
    comment: int | None
    body: str
    at: datetime


class Triage(Reads):
    """What triage reads and remembers of GitHub sources."""

    def issues(self, source: str) -> list[StagedIssue]:
        """Return the staged issues of a source, by number."""
        return [
            StagedIssue(
                number,
                data,
                times or (),
                [(at, text) for at, text in declaring or ()],
                bool(is_answered),
                (last[0] or "", bool(last[1])) if last else ("", False),
                [(pull, at) for pull, at in pulls or ()],
                mentions or (),
            )
            for number, data, times, declaring, is_answered, last, pulls, mentions in self._rows(
                "triage_issues", {"source": source}
            )
        ]

    def templates(self) -> list[str]:
        """Return the texts of the issue templates that are indexed as files of a repository."""
        return [row[0] for row in self._rows("issue_templates", {})]

    def put_calibration(self, source: str, report: Mapping[str, Any]) -> None:
        """Store what a replay taught, in place of an earlier one."""
        self._change("put_calibration", {"source": source, "report": Jsonb(dict(report))})

    def calibration(self, source: str) -> Calibrated | None:
        """Return what the last replay taught; None before the first."""
        rows = self._rows("calibration", {"source": source})
        return Calibrated(*rows[0]) if rows else None

    def switch_on(self, source: str) -> datetime:
        """Return when comments were switched on for a source, which is now if they were not."""
        self._change("switch_on_comments", {"source": source})
        return self.switched_on(source) or datetime.now(UTC)

    def switched_on(self, source: str) -> datetime | None:
        """Return when comments were switched on for a source; None if they are not."""
        rows = self._rows("comments_switched_on", {"source": source})
        return rows[0][0] if rows else None

    def switch_off(self, source: str) -> None:
        """Forget when comments were switched on: switched on again, they leave out what was opened before."""
        self._change("switch_off_comments", {"source": source})

    def comments(self, source: str) -> dict[int, WrittenComment]:
        """Return the comments written on the issues of a source, by the number of the issue."""
        return {row[0]: WrittenComment(*row) for row in self._rows("triage_comments", {"source": source})}

    def put_comment(self, source: str, number: int, comment: int | None, body: str) -> None:
        """Record the comment on an issue.

        :param comment: its id on GitHub; None if it was deleted for good
        """
        self._change("put_triage_comment", {"source": source, "number": number, "comment": comment, "body": body})

    def put_releases(self, source: str, releases: Mapping[str, datetime]) -> None:
        """Record the releases of a source's repository: the time of publication by tag."""
        rows = [{"tag": tag, "published_at": at.isoformat()} for tag, at in releases.items()]
        self._change("put_releases", {"source": source, "rows": Json(rows)})

    def releases(self, source: str) -> list[tuple[str, float]]:
        """Return the tags of the releases and their times in seconds since 1970, the oldest first."""
        return [(tag, float(at)) for tag, at in self._rows("releases", {"source": source})]
