"""Sync the threads of one repository with as few requests as possible.

Listings by update time contain the changes. Their rows are staged page by page, together with the cursor. Then each
thread whose rows changed is rendered from its staged rows. So a new comment needs no request for the rest of its
thread, and a crash loses nothing: staged rows stay staged, and threads that were not rendered stay pending.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from rag.settings import GitHubConfig
from rag.sources import MOST_REMOVED, Change, Checkpoint
from rag.sources.github.client import GitHubClient, Gone, RetryPolicy
from rag.sources.github.deletions import Deletions, Listed
from rag.sources.github.discussions import Discussions
from rag.sources.github.pending import render_pending
from rag.sources.github.repository import Repository, Row, format_time, parse_time
from rag.sources.github.staging import Listing, listings, replace_comments
from rag.sources.github.updates import pages_by_update
from rag.store.github import GitHubComment, GitHubThread
from rag.store.store import Store, Transaction

__all__ = ["GitHubSource"]

log = logging.getLogger(__name__)

#: An update may become visible after later ones, so the next sync starts this long before the newest update seen.
_OVERLAP = timedelta(minutes=5)


class GitHubSource:
    """The issues, pull requests and discussions of a repository as a source.

    :param token: see `GitHubClient`; required for discussions
    :param api_url: https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server
    :param retry: how often requests are sent again, and how long they wait for a rate limit
    :param most_removed: the share of a source's documents, 0 to 1, that one sync may remove; if more are gone, none is
        removed and the sync reports a failure
    """

    kind = "github"

    def __init__(
        self,
        config: GitHubConfig,
        store: Store,
        *,
        token: str | None,
        api_url: str,
        retry: RetryPolicy | None = None,
        most_removed: float = MOST_REMOVED,
    ) -> None:
        self.name = config.name
        self.requests = 0
        self._config = config
        self._store = store
        self._client = GitHubClient(token=token, api_url=api_url, retry=retry, count=self._count_request)
        self._repository = Repository(config, store, self._client)
        self._deletions = Deletions(self._repository, most_removed=most_removed)
        self._cursor: dict[str, Any] = {}

    def _count_request(self) -> None:
        self.requests += 1

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield the changes.

        :param full: read every listing from its start and remove what is not in it
        :raises SourceUnavailable: GitHub cannot be reached, or its rate limit lasts too long
        :raises SourceError: the token or repository is wrong, or only discussions are included and no token is set
        """
        try:
            yield from self._changes(full=full)
        finally:
            self._client.close()

    def _changes(self, *, full: bool) -> Iterator[Change]:
        include = self._repository.readable()
        self._cursor, record = self._repository.adopt_cursor(
            self._store.sources.cursor(self.name), self._repository.find()
        )
        if record:
            yield Checkpoint(record)
        rescoped = bool(self._cursor.get("owed"))
        complete = self._config.since is None and "issues" in self._cursor
        listed = Listed() if full or rescoped else None
        for listing in listings(self._repository):
            yield from self._list(listing, listed)
        discussions = Discussions(self._client, self._repository.path) if "discussions" in include else None
        if discussions:
            yield from self._list_discussions(discussions, listed)
        if listed is not None:
            yield from self._deletions.unlisted_comments(listed)
        elif self._config.since is None:
            listed = yield from self._remove_vanished(discussions, complete=complete)
        yield from render_pending(self._repository)
        if listed is not None and (yield from self._deletions.unlisted_threads(listed, guarded=not rescoped)):
            yield from self._move_cursor(owed=None)

    def _move_cursor(self, stage: Callable[[Transaction], None] | None = None, **moved: object) -> Iterator[Change]:
        """Commit the cursor with new values, and the rows that they cover.

        :param stage: writes the rows
        :param moved: the new values; None removes a value
        """
        values = {**self._cursor, **moved}
        self._cursor = cursor = {key: value for key, value in values.items() if value is not None}

        def record(transaction: Transaction) -> None:
            if stage:
                stage(transaction)
            transaction.sources.set_cursor(self.name, cursor)

        yield Checkpoint(record)

    @property
    def _etags(self) -> dict[str, Any]:
        return dict(self._cursor.get("etags", {}))

    # Listing and staging

    def _list(self, listing: Listing, listed: Listed | None) -> Iterator[Change]:
        try:
            yield from self._pages(listing, listed)
        except Gone as error:
            gone = "issues are switched off" if listing.name == "issues" else "comments cannot be listed"
            log.warning("%s: the repository's %s (%s)", self.name, gone, error)
        if listed is not None and listing.name == "issues":
            listed.kinds |= self._repository.rest_kinds

    def _pages(self, listing: Listing, listed: Listed | None) -> Iterator[Change]:
        """List by update time, from the cursor or the start, and stage each page with the cursor that covers it."""
        floor, name = self._config.since, listing.name
        seen = parse_time(self._cursor.get(name))
        since = floor if listed is not None or seen is None else max(filter(None, (floor, seen - _OVERLAP)))
        etag_since, etag = self._etags.get(name, (None, None))
        if listed is not None or etag_since != format_time(since):
            etag = None
        first = True
        if listed is not None and name != "issues":
            listed.comments.setdefault("issue_comment" if name == "comments" else "review_comment", array("q"))
        for reply in pages_by_update(self._client, listing.path, listing.parameters, since=since, etag=etag):
            page: Sequence[Row] = reply.data
            if listed is not None:
                _note(listed, listing, page)
            if page:
                newest = parse_time(page[-1]["updated_at"])
                seen = max(filter(None, (seen, newest)))
            etags = self._etags
            etags.pop(name, None)
            if first and not reply.link("next") and "etag" in reply.headers:
                etags[name] = [format_time(since), reply.headers["etag"]]
            if first and listed is None:
                self._client.warn_about_duration(reply, f"{self.name}: {name.replace('_', ' ')}")
            first = False
            yield from self._move_cursor(partial(listing.stage, page=page), **{name: format_time(seen)}, etags=etags)

    def _list_discussions(self, discussions: Discussions, listed: Listed | None) -> Iterator[Change]:
        """List discussions from the latest update down to the cursor, which moves when all of them are staged."""
        floor = self._config.since
        seen = parse_time(self._cursor.get("discussions"))
        since = floor if listed is not None or seen is None else max(filter(None, (floor, seen - _OVERLAP)))
        newest = seen
        for page in discussions.updated_since(since):
            for thread, _ in page:
                newest = max(filter(None, (newest, parse_time(thread.data["updated_at"]))))
                if listed is not None:
                    listed.add_thread(thread.number)
            if page:
                yield Checkpoint(self._staging_discussions(page))
        if listed is not None:
            listed.kinds.add("discussion")
        if newest is not None and newest != seen:
            yield from self._move_cursor(discussions=format_time(newest))

    def _staging_discussions(
        self, page: Sequence[tuple[GitHubThread, Sequence[GitHubComment]]]
    ) -> Callable[[Transaction], None]:
        def record(transaction: Transaction) -> None:
            transaction.github.put_threads(self.name, [thread for thread, _ in page])
            for thread, comments in page:
                replace_comments(transaction, self._store, self.name, thread.number, comments)

        return record

    # Deletions

    def _remove_vanished(
        self, discussions: Discussions | None, *, complete: bool
    ) -> Generator[Change, None, Listed | None]:
        """Remove deleted threads, which the listings by update time do not show.

        :param complete: whether all issues and pull requests on GitHub are staged
        :returns: a full listing, if so many are gone that it is cheaper; otherwise None
        """
        listed = Listed()
        if discussions and self._store.github.discussion_count(self.name) > (discussions.total or 0):
            for number in discussions.numbers():
                listed.add_thread(number)
            listed.kinds.add("discussion")
        others = discussions.other_threads if discussions else None
        if self._repository.rest_kinds and complete and others != self._store.github.thread_count(self.name):
            too_many, etags = yield from self._deletions.by_bisection(self._etags)
            if etags != self._etags:
                yield from self._move_cursor(etags=etags)
            if too_many:
                yield from self._list(Listing(self._repository, "issues"), listed)
        return listed if listed.kinds else None


def _note(listed: Listed, listing: Listing, page: Sequence[Mapping[str, Any]]) -> None:
    if listing.name == "issues":
        for row in page:
            listed.add_thread(row["number"])
    else:
        for _, comment in listing.comments(page):
            listed.comments[comment.kind].append(comment.id)
