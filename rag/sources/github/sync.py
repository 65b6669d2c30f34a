"""Sync the threads of one repository with as few requests as possible.

Listings by update time contain the changes. Their rows are staged page by page, together with the cursor. Then each
thread whose rows changed is rendered from its staged rows. So a new comment needs no request for the rest of its
thread, and a crash loses nothing: staged rows stay staged, and threads that were not rendered stay pending.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from rag.errors import SourceError, Unstorable
from rag.settings import GitHubConfig
from rag.sources import MOST_REMOVED, Change, Checkpoint, Failed
from rag.sources.github.client import GitHubClient, Gone, RetryPolicy
from rag.sources.github.deletions import LAST_PAGE, Deletions, Listed
from rag.sources.github.discussions import Discussions, Read
from rag.sources.github.pending import listed_rows, render_pending
from rag.sources.github.repository import Repository, Row, format_time, parse_time
from rag.sources.github.staging import Listing, Unstaged, listings, replace_comments
from rag.sources.github.updates import pages_by_update
from rag.store.store import Store, Transaction
from rag.text.lines import one_line

__all__ = ["GitHubSource"]

log = logging.getLogger(__name__)

#: An update may become visible after later ones, so the next sync starts this long before the newest update seen.
_OVERLAP = timedelta(minutes=5)
_WHAT = {"issues": "issues", "comments": "comments", "review_comments": "review comments"}

#: Writes rows in a transaction; returns those that cannot be written.
Stage = Callable[[Transaction], list[Unstaged]]


class GitHubSource:
    """The issues, pull requests and discussions of a repository as a source.

    :param token: see `GitHubClient`; required for discussions
    :param api_url: https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server
    :param retry: how often requests are sent again, and how long they wait for a rate limit
    :param most_removed: the share of a source's documents, 0 to 1, that one sync may remove; if more are gone, none is
        removed and the sync reports a failure
    :param last_page: the highest page of a listing that GitHub serves by its number
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
        last_page: int = LAST_PAGE,
    ) -> None:
        self.name = config.name
        self.requests = 0
        self._config = config
        self._store = store
        self._client = GitHubClient(token=token, api_url=api_url, retry=retry, count=self._count_request)
        self._repository = Repository(config, store, self._client)
        self._deletions = Deletions(self._repository, most_removed=most_removed, last_page=last_page)
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
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            # GitHub sent a reply in another form than it documents. Errors in committing a change are not raised here.
            found = f"{type(error).__name__}: {one_line(error)}"
            raise SourceError(f"{self.name}: GitHub's replies have an unexpected form ({found}).") from error
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
        yield from self._read_unstaged()
        for listing in listings(self._repository):
            yield from self._list(listing, listed)
        discussions = Discussions(self._client, self._repository.path) if "discussions" in include else None
        if discussions and not (yield from self._could_list(discussions, listed)):
            discussions = None
        if listed is not None:
            yield from self._deletions.unlisted_comments(listed)
        elif self._config.since is None:
            listed = yield from self._remove_vanished(discussions, complete=complete)
        yield from render_pending(self._repository)
        if listed is not None and (yield from self._deletions.unlisted_threads(listed, guarded=not rescoped)):
            yield from self._move_cursor(owed=None)

    def _could_list(self, discussions: Discussions, listed: Listed | None) -> Generator[Change, None, bool]:
        """List the discussions; if that fails, warn, since the issues can be read all the same.

        :raises SourceError: it fails, and the settings include nothing else
        """
        try:
            yield from self._list_discussions(discussions, listed)
        except SourceError as error:
            if not self._repository.rest_kinds:
                raise
            log.warning(
                "%s: the indexed discussions stay as they are, since discussions cannot be read: %s", self.name, error
            )
            return False
        return True

    def _move_cursor(self, stage: Stage | None = None, **moved: object) -> Iterator[Change]:
        """Commit the cursor with new values, and the rows that they cover.

        The cursor remembers the threads whose rows cannot be staged, so that the next sync reads these again.

        :param stage: writes the rows, and returns those that cannot be written
        :param moved: the new values; None removes a value
        """
        values = {**self._cursor, **moved}
        self._cursor = {key: value for key, value in values.items() if value is not None}
        unstaged: list[Unstaged] = []

        def record(transaction: Transaction) -> None:
            unstaged[:] = stage(transaction) if stage else []
            if numbers := {one.number for one in unstaged if one.number is not None}:
                self._cursor["unstaged"] = sorted({*self._cursor.get("unstaged", ()), *numbers})
            transaction.sources.set_cursor(self.name, self._cursor)

        yield Checkpoint(record)
        yield from (Failed(one.url, one.reason) for one in unstaged)

    def _read_unstaged(self) -> Iterator[Change]:
        """Read the threads again, each by itself, whose rows could not be staged by earlier syncs."""
        for number in self._cursor.get("unstaged", ()):
            yield from self._read_thread(number)

    def _read_thread(self, number: int) -> Iterator[Change]:
        left = [other for other in self._cursor.get("unstaged", ()) if other != number]
        try:
            rows = [(listing, self._rows_of(listing, number)) for listing in listings(self._repository)]
        except Gone:
            rows = []
        stages = [partial(listing.stage, page=page) for listing, page in rows]

        def stage(transaction: Transaction) -> list[Unstaged]:
            return [one for stage in stages for one in stage(transaction)]

        yield from self._move_cursor(stage, unstaged=left or None)

    def _rows_of(self, listing: Listing, number: int) -> Sequence[Row]:
        """Return the row of a thread, or those of its comments."""
        path, client = self._repository.path, self._client
        if listing.name == "issues":
            return [client.get(f"{path}/issues/{number}").data]
        folder = "issues" if listing.name == "comments" else "pulls"
        try:
            return list(listed_rows(self._repository, f"{path}/{folder}/{number}/comments"))
        except Gone:
            if listing.name == "comments":
                raise
            return []  # an issue has no review comments

    @property
    def _etags(self) -> dict[str, Any]:
        return dict(self._cursor.get("etags", {}))

    # Listing and staging

    def _list(self, listing: Listing, listed: Listed | None) -> Iterator[Change]:
        try:
            yield from self._pages(listing, listed)
        except Gone as error:
            if not error.switched_off:
                # Nothing was listed, which does not mean that nothing is there.
                if listed is not None:
                    listed.comments.pop(listing.comment_kind, None)
                said = f"The list of {_WHAT[listing.name]} is missing: {error}"
                yield Failed(f"https://github.com/{self._config.repo}", said)
                return
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
            listed.comments.setdefault(listing.comment_kind, array("q"))
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
        newest, all_staged = seen, True
        for page in discussions.updated_since(since):
            for thread, _ in page:
                newest = max(filter(None, (newest, parse_time(thread.data["updated_at"]))))
                if listed is not None:
                    listed.add_thread(thread.number)
            if page:
                refused: list[Failed] = []
                yield Checkpoint(partial(self._stage_discussions, page, refused))
                yield from refused
                all_staged = all_staged and not refused
        if listed is not None:
            listed.kinds.add("discussion")
        # If one was refused, the next sync reads them again.
        if all_staged and newest is not None and newest != seen:
            yield from self._move_cursor(discussions=format_time(newest))

    def _stage_discussions(self, page: Sequence[Read], refused: list[Failed], transaction: Transaction) -> None:
        """Stage discussions with their comments; those that the database refuses are added to `refused`."""
        for thread, comments in page:
            try:
                with transaction.part():
                    transaction.github.put_threads(self.name, [thread])
                    if comments is not None:
                        replace_comments(transaction, self._store, self.name, thread.number, comments)
            except Unstorable as error:
                refused.append(Failed(thread.data["html_url"], str(error)))

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
            self._list_numbers(discussions, listed)
        others = discussions.other_threads if discussions else None
        if self._repository.rest_kinds and complete and others != self._store.github.thread_count(self.name):
            too_many, etags = yield from self._deletions.by_bisection(self._etags, total=others)
            if etags != self._etags:
                yield from self._move_cursor(etags=etags)
            if too_many:
                yield from self._list(Listing(self._repository, "issues"), listed)
        return listed if listed.kinds else None

    def _list_numbers(self, discussions: Discussions, listed: Listed) -> None:
        try:
            for number in discussions.numbers():
                listed.add_thread(number)
        except SourceError as error:
            log.warning("%s: deleted discussions cannot be found: %s", self.name, error)
        else:
            listed.kinds.add("discussion")


def _note(listed: Listed, listing: Listing, page: Sequence[Row]) -> None:
    if listing.name == "issues":
        for row in page:
            listed.add_thread(row["number"])
    else:
        listed.comments[listing.comment_kind].extend(row["id"] for row in page)
