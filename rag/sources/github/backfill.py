"""A backfill: the past of a repository, cut into windows that are read side by side.

A window holds the threads and comments whose last update lies in it. What it stages and renders is no part of the
cursor; when all windows are done, the cursor is set to the end of the last one, and an ordinary sync brings what
came meanwhile, what no window could bring (discussions, which GitHub does not list by time) and what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

from rag.errors import ConfigurationError
from rag.models import Backfill, Window
from rag.settings import GitHubConfig
from rag.sources import Change, Checkpoint
from rag.sources.github.client import GitHubClient, Gone, Patience
from rag.sources.github.pending import rendered
from rag.sources.github.repository import Repository, Row, iso, time
from rag.sources.github.staging import Listing, listings
from rag.sources.github.updates import updated
from rag.store.store import Store

__all__ = ["GitHubWindow", "finish_backfill", "plan_backfill"]

#: Windows begin so many days from this Monday, so that those of an interrupted backfill are found again.
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)


class GitHubWindow:
    """The threads of a repository whose last update lies in a window, as a source; several may be read at once.

    A thread belongs to the window of its own last update, and stays pending if a comment of it is not staged by then.

    :param window: None for what other windows have left pending, and nothing else
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
        patience: Patience | None = None,
    ) -> None:
        self.name = config.name
        self.requests = 0
        self._store = store
        self._window = window
        self._client = GitHubClient(token=token, api_url=api_url, patience=patience, count=self._count_request)
        self._repository = Repository(config, store, self._client)

    def _count_request(self) -> None:
        self.requests += 1

    def changes(self, *, full: bool = False) -> Iterator[Change]:
        """Yield what lies in the window.

        :raises SourceUnavailable: GitHub cannot be reached, or its rate limit lasts too long
        :raises SourceError: the token or the repository is wrong
        """
        try:
            if self._window is None:
                yield from rendered(self._repository)
                return
            threads: set[int] = set()
            for listing in listings(self._repository):
                yield from self._list(listing, self._window, threads)
            yield from rendered(self._repository, numbers=sorted(threads))
        finally:
            self._client.close()

    def _list(self, listing: Listing, window: Window, threads: set[int]) -> Iterator[Change]:
        try:
            for reply in updated(self._client, listing.path, listing.parameters, since=window.start, until=window.end):
                rows = [row for row in reply.data if _lies_in(window, row)]
                if listing.what == "issues":
                    threads.update(row["number"] for row in rows)
                yield Checkpoint(partial(listing.stage, page=rows))
        except Gone:
            return  # switched off; the sync at the end says so


def _lies_in(window: Window, row: Row) -> bool:
    at = time(row["updated_at"])
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
    """Cut a span of a repository's past into windows, oldest first.

    A backfill that was interrupted keeps its id, and windows of the same days have the same borders, so that those
    which are done can be told.

    :param start: the repository's first day if None, or the `since` of its settings
    :param end: now if None
    :param days: the length of a window; the first and the last one may be shorter
    :raises ConfigurationError: the span is empty
    :raises SourceError: the repository cannot be read
    """
    repository = Repository(config, store, client)
    found = repository.find()
    first = max(filter(None, (time(found["created_at"]), config.since)))
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = max(start or first, first), min(end or now, now)
    if start >= end:
        raise ConfigurationError(f"{config.name}: nothing lies between {iso(start)} and {iso(end)}.")
    cursor, record = repository.adopt(store.cursor(config.name), found)
    cursor.setdefault("backfill", uuid4().hex)
    with store.transaction() as transaction:
        if record:
            record(transaction)
        transaction.set_cursor(config.name, cursor)
    return Backfill(config.name, cursor["backfill"], whole=start <= first, windows=_cut(start, end, days))


def finish_backfill(backfill: Backfill, store: Store) -> bool:
    """Let the next sync go on where the windows end, if they reach back to the beginning and it has not been further.

    :returns: whether a sync has a cursor to go on from; without one it would read everything
    """
    cursor = store.cursor(backfill.source)
    cursor.pop("backfill", None)
    if backfill.whole:
        end = iso(backfill.windows[-1].end)
        for what in ("issues", "comments", "review_comments"):
            cursor.setdefault(what, end)
    with store.transaction() as transaction:
        transaction.set_cursor(backfill.source, cursor)
    return "issues" in cursor


def _cut(start: datetime, end: datetime, days: int) -> tuple[Window, ...]:
    length = timedelta(days=days)
    border = _EPOCH + (start - _EPOCH) // length * length
    windows = []
    while border < end:
        windows.append(Window(max(border, start), min(border + length, end)))
        border += length
    return tuple(windows)
