"""One repository as a source sees it: what is asked of it, under which path, and where its rows are staged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rag.errors import SourceError
from rag.settings import GitHubConfig
from rag.sources import Record
from rag.sources.github.client import GitHubClient, Gone, Reply
from rag.sources.github.render import RENDERING
from rag.store.store import Store, Transaction

__all__ = ["Repository", "Row", "iso", "listing", "time"]

log = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Repository:
    """A repository on GitHub and its staged rows."""

    def __init__(self, config: GitHubConfig, store: Store, client: GitHubClient) -> None:
        self.name = config.name
        self.config = config
        self.store = store
        self.client = client
        #: /repos/OWNER/NAME, under its present name once it was found
        self.path = f"/repos/{config.repo}"

    @property
    def rest_kinds(self) -> set[str]:
        """The kinds of threads that are asked for and that REST lists: issue, pull."""
        return {kind for kind, name in (("issue", "issues"), ("pull", "pulls")) if name in self.config.include}

    def readable(self) -> set[str]:
        """Return what is asked for and can be read: issues, pulls, discussions.

        :raises SourceError: nothing is, since discussions need a token
        """
        include: set[str] = set(self.config.include)
        if "discussions" in include and not self.client.authenticated:
            if include == {"discussions"}:
                raise SourceError(
                    f"{self.name}: GITHUB_TOKEN is required to read discussions, since GitHub's GraphQL API takes no "
                    "request without one. Any token will do for a public repository."
                )
            log.warning("%s: discussions are left out, since they need a GITHUB_TOKEN", self.name)
            include.discard("discussions")
        return include

    def find(self) -> Row:
        """Ask for the repository and follow it to its present name.

        :raises SourceError: it is not there, or not for this token
        """
        try:
            row: Row = self.client.get(self.path).data
        except Gone as error:
            hint = (
                "or GITHUB_TOKEN does not allow to read it"
                if self.client.authenticated
                else "or it is private and needs a GITHUB_TOKEN"
            )
            raise SourceError(
                f"{self.name}: there is no repository {self.config.repo} on GitHub, {hint}. ({error})"
            ) from error
        if row["full_name"].lower() != self.config.repo.lower():
            log.warning("%s: %s is called %s now", self.name, self.config.repo, row["full_name"])
        # PyGithub follows a redirect without its parameters: ask under the present name only.
        self.path = f"/repos/{row['full_name']}"
        return row

    def scope(self, found: Row) -> dict[str, Any]:
        """Return what a cursor is good for: with another scope, everything is read anew."""
        since = self.config.since
        return {
            "repository": found["id"],
            "include": sorted(self.config.include),
            "since": since.isoformat() if since else None,
            "rendering": RENDERING,
        }

    def adopt(self, cursor: Mapping[str, Any], found: Row) -> tuple[dict[str, Any], Record | None]:
        """Start anew where a cursor is of another repository, or covers something else than is asked for now.

        :returns: the cursor to go on from, and how to record it; None if it is as it was
        """
        scope = self.scope(found)
        before: dict[str, Any] = cursor.get("scope") or {}
        if before == scope:
            return dict(cursor), None
        other_repository = bool(before) and before["repository"] != scope["repository"]
        if before:
            log.warning("%s: its settings or this program changed, so everything is read again", self.name)
        adopted = {"scope": scope, "owed": True} if before else {"scope": scope}

        def record(transaction: Transaction) -> None:
            if other_repository:
                transaction.clear_github(self.name)
            transaction.set_cursor(self.name, adopted)

        return adopted, record


def listing(reply: Reply) -> Reply:
    """Return a reply that is a list, or a 304.

    :raises SourceError: it is something else
    """
    if reply.status != 304 and not isinstance(reply.data, list):
        raise SourceError("GitHub answers a listing with something that is no list.")
    return reply


def time(value: str | None) -> datetime | None:
    """Read one of GitHub's times."""
    return datetime.fromisoformat(value) if value else None


def iso(value: datetime | None) -> str | None:
    """Write a time as GitHub does, in whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None
