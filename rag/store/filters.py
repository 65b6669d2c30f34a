"""Search filters. This module imports no Postgres driver, so that commands parse their options quickly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

__all__ = ["KINDS", "STATES", "Filters"]

#: The kinds of documents, and the states of threads.
KINDS = ("issue", "pull", "discussion", "page", "file")
STATES = ("open", "closed", "merged")


@dataclass(frozen=True, slots=True)
class Filters:
    """Search filters; a field that is None does not filter."""

    source: str | None = None
    #: issue, pull, discussion, page or file
    kind: str | None = None
    #: a label of the thread, case-insensitive
    label: str | None = None
    #: open, closed or merged
    state: str | None = None
    #: updated on this day or later; undated documents do not match
    since: date | None = None
    #: updated on this day or earlier
    until: date | None = None
    #: answer for this version of the software; None: the one that the question names, or else the newest stable
    version: str | None = None
    #: the editions that may be found, as `Edition.key` has them, besides documents without a version
    editions: tuple[str, ...] | None = None
