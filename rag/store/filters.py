"""Search filters. This module imports no Postgres driver, so that commands parse their options quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from rag.errors import ConfigurationError

__all__ = ["FILTERS", "KINDS", "STATES", "Filters"]

#: The kinds of documents, and the states of threads.
KINDS = ("issue", "pull", "discussion", "page", "file")
STATES = ("open", "closed", "merged")
#: The filters that a user may set by name.
FILTERS = ("source", "kind", "label", "state", "since", "until", "version")


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

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """Return the filters among the parameters of a query string; an empty value does not filter.

        :raises ConfigurationError: a date is not one
        """
        texts = {name: text for name in FILTERS if (text := given.get(name, "").strip())}
        since, until = (_day(name, texts.get(name)) for name in ("since", "until"))
        source, kind, label, state, version = map(texts.get, ("source", "kind", "label", "state", "version"))
        return cls(source, kind, label, state, since, until, version)


def _day(name: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigurationError(f"{name} must be a date (YYYY-MM-DD).") from None
