"""Verdict: what triage says of one issue, and which of it may be said in public."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from rag.triage.candidates.ranking import Ranked
from rag.triage.history import History, Issue

__all__ = ["MOST_LINKS", "Candidate", "Role", "Verdict", "candidates", "links"]

#: open: still open; fixed: closed by a merged pull request; answered: closed after a maintainer commented;
#: closed: closed otherwise, which tells a reader nothing
Role = Literal["open", "fixed", "answered", "closed"]

#: The most links of a comment.
MOST_LINKS = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A thread that may report the same problem."""

    number: int
    url: str
    title: str
    #: that it is the same problem, in [0, 1]
    probability: float
    state: Literal["open", "closed"]
    role: Role
    #: the merged pull request that fixes it
    fixed_by: int | None = None
    #: the first release after that was merged
    fixed_in: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --json` prints."""
        names = ("number", "url", "title", "state", "role", "fixed_by", "fixed_in")
        return {**{name: getattr(self, name) for name in names}, "probability": round(self.probability, 4)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What triage says of one issue."""

    #: None: it is not filed yet
    number: int | None
    title: str
    url: str | None
    #: in seconds since 1970
    opened: float
    candidates: tuple[Candidate, ...]
    #: the threads that a comment may link, best first; empty: say nothing
    links: tuple[Candidate, ...]
    #: why nothing is said in public; None: something may be said
    silent_because: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --json` prints."""
        return {
            "issue": {
                "number": self.number,
                "title": self.title,
                "url": self.url,
                "opened": datetime.fromtimestamp(self.opened, UTC).isoformat(),
            },
            "candidates": [one.to_json() for one in self.candidates],
            "silent": self.silent_because is not None,
            "silent_because": self.silent_because,
            "links": [one.number for one in self.links],
        }


def candidates(
    ranked: Sequence[Ranked],
    history: History,
    at: float,
    threshold: float | None,
    releases: Sequence[tuple[str, float]],
) -> list[Candidate]:
    """Return the threads that a reader is shown, best first.

    Those at or above the threshold come first, open ones before closed ones; the others follow by probability. A thread
    that was closed for want of activity helps nobody and is left out.

    :param at: by what was known at this time, in seconds since 1970
    """
    found = [
        _candidate(one, issue, at, releases)
        for one in ranked
        if (issue := history.issues[one.number]).is_open(at) or not issue.is_abandoned
    ]

    def order(one: Candidate) -> tuple[bool, bool, float]:
        is_sure = threshold is not None and one.probability >= threshold
        return (not is_sure, is_sure and one.state != "open", -one.probability)

    return sorted(found, key=order)


def links(shown: Sequence[Candidate], threshold: float) -> tuple[Candidate, ...]:
    """Return the threads that a comment may link: sure enough, and open, fixed or answered."""
    return tuple(one for one in shown if one.probability >= threshold and one.role != "closed")[:MOST_LINKS]


def _candidate(ranked: Ranked, issue: Issue, at: float, releases: Sequence[tuple[str, float]]) -> Candidate:
    fix = next(((number, merged) for number, merged in reversed(issue.fixes) if merged <= at), None)
    role: Role = "open"
    if not issue.is_open(at):
        role = "fixed" if fix else "answered" if issue.is_answered else "closed"
    released = next((tag for tag, published in releases if fix and published >= fix[1]), None)
    return Candidate(
        issue.number,
        issue.url,
        issue.title,
        ranked.probability,
        "open" if role == "open" else "closed",
        role,
        fix[0] if fix and role == "fixed" else None,
        released if role == "fixed" else None,
    )
