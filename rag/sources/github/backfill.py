"""A backfill: read the past of a repository in windows of time, in parallel.

A window contains the threads and comments whose last update lies in it. The cursor does not cover what it stages and
renders. When all windows are finished, the cursor is set to the end of the last one, and an ordinary sync adds what is
missing: later updates, discussions, which GitHub does not list by time, and deletions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

from rag.errors import ConfigurationError
from rag.settings import GitHubConfig
from rag.sources import Change, Checkpoint, Failed
from rag.sources.github.client import GitHubClient, Gone, RetryPolicy
from rag.sources.github.pending import render_pending
from rag.sources.github.repository import Repository, Row, format_time, parse_time
from rag.sources.github.staging import Listing, Unstaged, listings
from rag.sources.github.updates import pages_by_update
from rag.sources.windows import Backfill, Window
from rag.store.store import Store, Transaction

__all__ = ["GitHubWindow", "finish_backfill", "plan_backfill"]

#: Windows begin at multiples of their length from this Monday, so that an interrupted backfill finds them again.
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)


class GitHubWindow:
    """The threads of a repository whose last update lies in a window, as a source. Windows can be read in parallel.

    A thread belongs to the window of its own last update; if not all of its comments are staged yet, it stays pending.

    :param window: None to render only the threads that other windows left pending
    """

    kind = "github"

    def __init__(
        self,
        config: GitHubConfig,
        store: Store,
        window: Window | None,
        *,
        token: str | None,
        api_url: str,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.name = config.name
        self.requests = 0
        self._store = store
        self._window = window
        self._client = GitHubClient(token=token, api_url=api_url, retry=retry, count=self._count_request)
        self._repository = Repository(config, store, self._client)

    def _count_request(self) -> None:
        self.requests += 1

    def changes(self, *, full: bool = False) -> Iterator[Change]:
        """Yield the threads of the window.

        :raises SourceUnavailable: GitHub cannot be reached, or its rate limit lasts too long
        :raises SourceError: the token or the repository is wrong
        """
        try:
            if self._window is None:
                yield from render_pending(self._repository)
                return
            threads: set[int] = set()
            for listing in listings(self._repository):
                yield from self._list(listing, self._window, threads)
            yield from render_pending(self._repository, numbers=sorted(threads))
        finally:
            self._client.close()

    def _list(self, listing: Listing, window: Window, threads: set[int]) -> Iterator[Change]:
        try:
            for reply in pages_by_update(
                self._client, listing.path, listing.parameters, since=window.start, until=window.end
            ):
                rows = [row for row in reply.data if _lies_in(window, row)]
                if listing.name == "issues":
                    threads.update(row["number"] for row in rows)
                unstaged: list[Unstaged] = []
                yield Checkpoint(partial(_stage, listing, rows, unstaged))
                yield from (Failed(one.url, one.reason) for one in unstaged)
        except Gone:
            return  # switched off; the sync at the end logs it


def _stage(listing: Listing, page: Sequence[Row], unstaged: list[Unstaged], transaction: Transaction) -> None:
    unstaged += listing.stage(transaction, page)


def _lies_in(window: Window, row: Row) -> bool:
    at = parse_time(row["updated_at"])
    return at is not None and window.start <= at < window.end


def plan_backfill(
    config: GitHubConfig,
    store: Store,
    client: GitHubClient,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    days: int = 7,
) -> Backfill:
    """Divide a span of a repository's past into windows, oldest first.

    An interrupted backfill keeps its id, and windows of the same length have the same borders, so that finished windows
    are recognised.

    :param start: by default the `since` of the settings, or the day on which the repository was created
    :param end: by default now
    :param days: the length of a window; the first and the last window may be shorter
    :raises ConfigurationError: the span is empty
    :raises SourceError: the repository cannot be read
    """
    repository = Repository(config, store, client)
    found = repository.find()
    first = max(filter(None, (parse_time(found["created_at"]), config.since)))
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = max(start or first, first), min(end or now, now)
    if start >= end:
        raise ConfigurationError(f"{config.name}: the span from {format_time(start)} to {format_time(end)} is empty.")
    cursor, record = repository.adopt_cursor(store.sources.cursor(config.name), found)
    cursor.setdefault("backfill", uuid4().hex)
    with store.transaction() as transaction:
        if record:
            record(transaction)
        transaction.sources.set_cursor(config.name, cursor)
    return Backfill(config.name, cursor["backfill"], whole=start <= first, windows=_divide(start, end, days))


def finish_backfill(backfill: Backfill, store: Store) -> bool:
    """Set the cursor to the end of the windows, if they cover the whole past and no cursor is set yet.

    :returns: whether the next sync has a cursor to continue from; without one it reads everything
    """
    cursor = store.sources.cursor(backfill.source)
    cursor.pop("backfill", None)
    if backfill.whole:
        end = format_time(backfill.windows[-1].end)
        for name in ("issues", "comments", "review_comments"):
            cursor.setdefault(name, end)
    with store.transaction() as transaction:
        transaction.sources.set_cursor(backfill.source, cursor)
    return "issues" in cursor


def _divide(start: datetime, end: datetime, days: int) -> tuple[Window, ...]:
    length = timedelta(days=days)
    border = _EPOCH + (start - _EPOCH) // length * length
    windows = []
    while border < end:
        windows.append(Window(max(border, start), min(border + length, end)))
        border += length
    return tuple(windows)
