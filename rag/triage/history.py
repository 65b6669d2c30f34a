"""What was known of each issue, and since when: its duplicates, its end, and who had answered it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Declaration", "History", "Issue", "declared", "is_inactivity"]

_TAG = re.compile(r"</?[a-z][^>\n]{0,300}>", re.I)
_ADDRESS = re.compile(r"https?://[^\s/]+/(?P<site>[\w.-]+/[\w.-]+)/issues/(?P<number>\d{1,9})\b(?:#\w[\w-]*)?")
_FULL = re.compile(r"(?<![\w./-])(?P<site>[\w.-]+/[\w.-]+)#(?P<number>\d{1,9})\b")
#: "Duplicate of #12", "dup of #12", "Closing as a dupe of #12"; the words between may not name another thread.
_DUPLICATE = re.compile(
    r"\b(?:dup(?:e|lica(?:te|ted))?|duplicates)\b(?P<by>\s+by)?"
    r"(?:\s+(?:of|with|to|for|against))?(?:\s+(?:the|a|an|bug|issue|gh|pr|see|existing|older|this))*[\s:(]*"
    r"(?P<site>[\w.-]+/[\w.-]+)?#(?P<number>\d{1,9})\b",
    re.I,
)
# "closing in favour of #12" and "same as #12" say it in other words, but only where the issue was closed with them.
# Trackers that came from Google Code say "Merged into issue #12".
_CLOSED_FOR = re.compile(
    r"(?:\b|_)merged into issue #(?P<merged>\d{1,9})\b"
    r"|\b(?:clos\w+|same)\b[^.\n#]{0,40}\b(?:favou?r of|same as|covered by|tracked (?:in|by)|dup\w*)\b"
    r"[^.\n#]{0,30}(?<![\w.-])#(?P<number>\d{1,9})\b"
    r"|(?<![\w.-])#(?P<other>\d{1,9})\b[^.\n#]{0,40}\b(?:closing|closed?)\b[^.\n]{0,30}\bdup\w*",
    re.I,
)
_NEGATED = re.compile(r"\b(?:not|isn't|n't|possibl[ey]|maybe|perhaps|might be)\b[^.\n]{0,25}$", re.I)
_INACTIVITY = re.compile(
    r"\b(?:inactiv\w+|stale|no (?:recent )?(?:activity|response)|lack of (?:activity|response|information)"
    r"|automatically (?:closed|marked))\b",
    re.I,
)
_STALE_LABELS = re.compile(r"\b(?:stale|inactive|no[- ]?(?:activity|response)|rotten|auto-?closed|abandoned)\b", re.I)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A comment that declares an issue a duplicate of another one."""

    number: int
    #: seconds since 1970
    at: float


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as it was opened, and what became of it. Times are in seconds since 1970."""

    number: int
    title: str
    body: str
    author: str
    url: str
    opened: float
    closed: float | None = None
    reason: str | None = None
    labels: tuple[str, ...] = ()
    #: when its comments were written, ascending
    comments: tuple[float, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    #: whether a maintainer has commented
    is_answered: bool = False
    #: whether it was closed because nobody went on with it
    is_abandoned: bool = False
    #: numbers of the merged pull requests that say they fix it, with the time of the merge
    fixes: tuple[tuple[int, float], ...] = ()
    #: the numbers of the threads that people name in its comments
    mentions: frozenset[int] = frozenset()
    is_bot: bool = False

    def is_open(self, at: float) -> bool:
        """Return whether it was open at a time."""
        return self.closed is None or self.closed > at

    def commented(self, at: float) -> int:
        """Return how many comments it had at a time."""
        return bisect_left(self.comments, at)


@dataclass(slots=True)
class History:
    """The issues of a source by number, and which was declared a duplicate of which."""

    issues: Mapping[int, Issue]
    _roots: dict[int, int] = field(default_factory=dict)

    def root(self, number: int, at: float = float("inf")) -> int:
        """Return the issue that an issue is a duplicate of, followed to the end, by what was declared before a time."""
        seen = {number}
        while True:
            issue = self.issues.get(number)
            known = [one for one in issue.declarations if one.at < at] if issue else []
            found = next((one.number for one in reversed(known) if one.number in self.issues), None)
            if found is None or found in seen:
                return number
            seen.add(found)
            number = found

    def final_root(self, number: int) -> int:
        """Return the root of an issue by all that was ever declared."""
        if number not in self._roots:
            self._roots[number] = self.root(number)
        return self._roots[number]

    def is_confirmed(self, number: int, other: int) -> bool:
        """Return whether people hold two issues to belong together: as duplicates, or by a mention or a fix."""
        if self.final_root(number) == self.final_root(other):
            return True
        one, two = self.issues[number], self.issues[other]
        named = other in one.mentions or number in two.mentions
        return named or not {pull for pull, _ in one.fixes}.isdisjoint(pull for pull, _ in two.fixes)

    def duplicates(self) -> list[int]:
        """Return the numbers of the issues that were declared duplicates of others, ascending."""
        return [number for number in sorted(self.issues) if self.final_root(number) != number]


def declared(text: str, repository: str) -> int | None:
    """Return the number of the issue that a comment declares its own issue a duplicate of; None if it does not.

    :param repository: of the issue, as OWNER/NAME; issues of a repository with another name do not count
    """
    text = _short(text, repository)
    for found in _DUPLICATE.finditer(text):
        if found["by"] or found["site"] or _NEGATED.search(text[: found.start()]):
            continue
        return int(found["number"])
    if (closed := _CLOSED_FOR.search(text)) and not _NEGATED.search(text[: closed.start()]):
        return int(closed["merged"] or closed["number"] or closed["other"])
    return None


def _short(text: str, repository: str) -> str:
    """Return a text without HTML tags that names issues as "#12", and those of other repositories as "other/one#12".

    A repository that has moved keeps its name, and old comments the addresses under its former owner.
    """
    name = repository.lower().split("/")[-1]

    def short(site: str, number: str) -> str:
        return f"#{number}" if site.lower().split("/")[-1] == name else f"{site}#{number}"

    text = _ADDRESS.sub(lambda found: short(found["site"], found["number"]), _TAG.sub(" ", text))
    return _FULL.sub(lambda found: short(found["site"], found["number"]), text)


def is_inactivity(labels: Iterable[str], last_comment: str, *, is_bot: bool) -> bool:
    """Return whether an issue was closed for want of activity: by its labels, or by what the last comment says."""
    if any(_STALE_LABELS.search(label) for label in labels):
        return True
    found = _INACTIVITY.search(last_comment)
    return bool(found and (is_bot or "clos" in last_comment.lower()))


def seconds(iso: str | None) -> float | None:
    """Return a time of GitHub's in seconds since 1970."""
    return datetime.fromisoformat(iso).timestamp() if iso else None
