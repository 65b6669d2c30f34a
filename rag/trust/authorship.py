"""Authorship: who wrote the text of a chunk, and whether that author is trusted to speak for the project.

Documentation, maintainers and the authors of accepted answers are trusted. Anyone else can write an issue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MAINTAINERS",
    "Fix",
    "Thread",
    "Voice",
    "is_trusted",
    "origin",
    "thread_of",
    "verdict",
    "voices_of",
]

#: GitHub's associations of the people who speak for a repository.
MAINTAINERS = frozenset({"owner", "member", "collaborator"})


@dataclass(frozen=True, slots=True)
class Voice:
    """The author of a text on GitHub, and when it was written; `association` is GitHub's, in lower case."""

    author: str
    association: str
    #: ISO 8601
    at: str
    #: whether the text is the accepted answer of a discussion
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Fix:
    """A merged pull request that says it fixes an issue."""

    number: int
    url: str
    #: ISO 8601
    merged_at: str


@dataclass(frozen=True, slots=True)
class Thread:
    """The state of an issue, pull request or discussion; dates are in ISO 8601."""

    number: int
    state: str
    #: GitHub's, such as not_planned or duplicate
    reason: str | None = None
    closed_at: str | None = None
    merged_at: str | None = None
    fixed_by: tuple[Fix, ...] = ()


def voices_of(about: Mapping[str, Any], passages: Sequence[Sequence[Any]]) -> tuple[tuple[int, Voice], ...]:
    """Return the authors of a chunk as (offset in the text, author), ascending; none for a page or a file.

    :param about: the document's metadata
    :param passages: [offset, attributes] of each comment in the chunk, as the chunker writes them
    """
    if not about.get("author"):
        return ()
    first = Voice(
        str(about["author"]), str(about.get("author_association") or "none"), str(about.get("created_at") or "")
    )
    voices = [(0, first)]
    for offset, marks in passages:
        voice = Voice(
            author=str(marks.get("author") or ""),
            association=str(marks.get("association") or "none"),
            at=str(marks.get("at") or ""),
            accepted=marks.get("answer") == "accepted",
        )
        voices.append((int(offset), voice))
    # A chunk that begins with a comment contains no text of the thread's author.
    return tuple(voices[1:] if len(voices) > 1 and voices[1][0] == 0 else voices)


def thread_of(about: Mapping[str, Any]) -> Thread | None:
    """Return the state of a thread from its document's metadata; None for a page or a file."""
    if not about.get("state"):
        return None
    return Thread(
        number=int(about.get("number") or 0),
        state=str(about["state"]),
        reason=about.get("state_reason"),
        closed_at=about.get("closed_at"),
        merged_at=about.get("merged_at"),
        fixed_by=tuple(
            Fix(int(fix["number"]), str(fix.get("url") or ""), str(fix.get("merged_at") or ""))
            for fix in about.get("fixed_by") or ()
        ),
    )


def is_trusted(voice: Voice) -> bool:
    """Return whether an author is a maintainer, or wrote the accepted answer."""
    return voice.accepted or voice.association.lower() in MAINTAINERS


def origin(voice: Voice) -> str:
    """Return an author, their role and the date: "alice (maintainer), 2024-05-01"."""
    role = "accepted answer" if voice.accepted else "maintainer" if is_trusted(voice) else "user"
    return f"{voice.author} ({role}){', ' + voice.at[:10] if voice.at else ''}"


def verdict(thread: Thread | None) -> str | None:
    """Return how a thread ended, if that can make its text obsolete: "fixed by #12, merged on 2024-05-01"."""
    if thread is None:
        return None
    if thread.fixed_by:
        fix = max(thread.fixed_by, key=lambda fix: fix.merged_at)
        return f"fixed by #{fix.number}{', merged on ' + fix.merged_at[:10] if fix.merged_at else ''}"
    if thread.reason == "not_planned":
        return f"closed as not planned{' on ' + thread.closed_at[:10] if thread.closed_at else ''}"
    if thread.reason == "duplicate":
        return "closed as a duplicate"
    return None
