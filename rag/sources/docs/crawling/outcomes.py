"""The possible outcomes of visiting an address."""

from __future__ import annotations

from dataclasses import dataclass

from rag.sources.docs.pages.page import Page

__all__ = ["Failure", "NotAPage", "NotModified", "Outcome", "Read", "Redirect"]


@dataclass(frozen=True, slots=True)
class Read:
    """A page that was fetched and read."""

    page: Page
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The page is the same as at the last sync."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect; `url` is absolute and normalised."""

    url: str


@dataclass(frozen=True, slots=True)
class NotAPage:
    """An address without a page: it is missing, or of another type. `reason` completes "URL …"."""

    reason: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """An address that could not be read; `transient` says whether trying again later may help."""

    error: str
    transient: bool


Outcome = Read | NotModified | Redirect | NotAPage | Failure
