"""One repository of a source: its settings, its path in the API, and the scope of its cursor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rag.errors import SourceError
from rag.settings import GitHubConfig
from rag.sources import Record
from rag.sources.github.client import GitHubClient, Gone, Reply
from rag.sources.github.render import RENDERING
from rag.store.store import Store, Transaction

__all__ = ["Repository", "Row", "checked_listing", "format_time", "parse_time"]

log = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Repository:
    """A repository on GitHub and its staged rows."""

    def __init__(self, config: GitHubConfig, store: Store, client: GitHubClient) -> None:
        self.name = config.name
        self.config = config
        self.store = store
        self.client = client
        #: /repos/OWNER/NAME, with the current name once `find` has run
        self.path = f"/repos/{config.repo}"

    @property
    def rest_kinds(self) -> set[str]:
        """The kinds of threads in the settings that the REST API lists: issue, pull."""
        return {kind for kind, name in (("issue", "issues"), ("pull", "pulls")) if name in self.config.include}

    def readable(self) -> set[str]:
        """Return the settings' `include`, without discussions if there is no token.

        :raises SourceError: nothing else is included
        """
        include: set[str] = set(self.config.include)
        if "discussions" in include and not self.client.authenticated:
            if include == {"discussions"}:
                raise SourceError(
                    f"{self.name}: GITHUB_TOKEN is required to read discussions, since GitHub's GraphQL API accepts no "
                    "request without a token. For a public repository any token is enough."
                )
            log.warning("%s: discussions are skipped, since reading them requires GITHUB_TOKEN", self.name)
            include.discard("discussions")
        return include

    def find(self) -> Row:
        """Return the repository's row, and use its current name from now on.

        :raises SourceError: it does not exist, or the token may not read it
        """
        try:
            row: Row = self.client.get(self.path).data
        except Gone as error:
            hint = (
                "or GITHUB_TOKEN may not read it"
                if self.client.authenticated
                else "or it is private and GITHUB_TOKEN is not set"
            )
            raise SourceError(
                f"{self.name}: there is no repository {self.config.repo} on GitHub, {hint}. ({error})"
            ) from error
        if not isinstance(row, Mapping) or not isinstance(row.get("full_name"), str) or "id" not in row:
            raise SourceError(f"{self.name}: GitHub describes {self.config.repo} without its name or its id.")
        if row["full_name"].lower() != self.config.repo.lower():
            log.warning("%s: %s is now called %s", self.name, self.config.repo, row["full_name"])
        # PyGithub follows redirects without the parameters, so all further requests use the current name.
        self.path = f"/repos/{row['full_name']}"
        return row

    def scope(self, found: Row) -> dict[str, Any]:
        """Return the scope that a cursor is valid for; with another scope, everything is read again."""
        since = self.config.since
        return {
            "repository": found["id"],
            "include": sorted(self.config.include),
            "since": since.isoformat() if since else None,
            "rendering": RENDERING,
        }

    def adopt_cursor(self, cursor: Mapping[str, Any], found: Row) -> tuple[dict[str, Any], Record | None]:
        """Replace a cursor whose scope is another one than that of the settings.

        :returns: the cursor to continue from, and how to record it; None if it has not changed
        """
        scope = self.scope(found)
        before: dict[str, Any] = cursor.get("scope") or {}
        if before == scope:
            return dict(cursor), None
        other_repository = bool(before) and before["repository"] != scope["repository"]
        if before:
            log.warning("%s: its settings or this program have changed, so everything is read again", self.name)
        adopted = {"scope": scope, "owed": True} if before else {"scope": scope}

        def record(transaction: Transaction) -> None:
            if other_repository:
                transaction.github.clear(self.name)
            transaction.sources.set_cursor(self.name, adopted)

        return adopted, record


def checked_listing(reply: Reply) -> Reply:
    """Return a reply whose data is a list of rows, or whose status is 304; what is no row is left out, with a warning.

    :raises SourceError: the data is something else, or holds no row
    """
    if reply.status == 304:
        return reply
    if not isinstance(reply.data, list):
        raise SourceError("GitHub answers the request for a listing with something other than a list.")
    rows = [row for row in reply.data if _is_row(row)]
    if len(rows) < len(reply.data):
        if not rows:
            raise SourceError("GitHub answers the request for a listing with rows that have no id and no time.")
        log.warning("GitHub sent %d rows without an id or a time; they are left out", len(reply.data) - len(rows))
    return replace(reply, data=rows)


def _is_row(row: object) -> bool:
    if not isinstance(row, Mapping) or not isinstance(row.get("id"), int):
        return False
    try:
        return parse_time(row.get("updated_at")) is not None
    except (ValueError, TypeError):
        return False


def parse_time(value: str | None) -> datetime | None:
    """Return a timestamp of GitHub as a datetime."""
    return datetime.fromisoformat(value) if value else None


def format_time(value: datetime | None) -> str | None:
    """Return a timestamp in GitHub's format, in whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None
