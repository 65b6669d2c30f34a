"""Listings by update time, read so that nothing slips through while rows move."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime, timedelta

from rag.sources.github.client import PER_PAGE, GitHubClient, Reply
from rag.sources.github.repository import iso, listing, time

__all__ = ["updated"]

#: Times have a resolution of a second, and rows of one second may stand on both sides of a page's end.
_TICK = timedelta(seconds=1)


def updated(
    client: GitHubClient,
    path: str,
    parameters: Mapping[str, str],
    *,
    since: datetime | None,
    until: datetime | None = None,
    etag: str | None = None,
) -> Iterator[Reply]:
    """Yield the pages of a listing by update time, oldest first; none where `etag` still holds.

    Not page=2, page=3: a row that is updated or deleted meanwhile leaves its place, all behind it move up, and one
    slips over the page's end unread. Each page is asked for from the last time seen instead. So rows may come twice,
    and the last page may run over `until`.

    :param until: no page is asked for that would begin at this time or later
    """
    while True:
        reply = _first_page(client, path, parameters, since, etag)
        if reply.status == 304:
            return
        etag = None
        yield reply
        if not reply.link("next") or not reply.data:
            return
        last = _last_time(reply)
        if until is not None and last + _TICK >= until:
            return
        if since is None or last > since:
            since = last
            continue
        beyond = yield from _tied(client, path, parameters, since)
        if beyond is None or (until is not None and beyond + _TICK >= until):
            return
        since = beyond


def _tied(
    client: GitHubClient, path: str, parameters: Mapping[str, str], since: datetime
) -> Generator[Reply, None, datetime | None]:
    """Yield the pages of rows that share their time with more than a page of others.

    Only page numbers can tell them apart, so the pages are read until a pass shows no row that is new.

    :returns: the time to go on from; None where the listing ends
    """
    known: set[int] = set()
    while True:
        before = len(known)
        reply = _first_page(client, path, parameters, since, None)
        while True:
            yield reply
            known.update(row["id"] for row in reply.data)
            following = reply.link("next")
            last = _last_time(reply) if reply.data else since
            if last > since or following is None:
                break
            reply = listing(client.get(following))
        if len(known) == before:
            return last if last > since else None


def _first_page(
    client: GitHubClient, path: str, parameters: Mapping[str, str], since: datetime | None, etag: str | None
) -> Reply:
    query: dict[str, str | int] = {**parameters, "sort": "updated", "direction": "asc", "per_page": PER_PAGE}
    if since is not None:
        query["since"] = iso(since) or ""
    return listing(client.get(path, query, etag=etag))


def _last_time(reply: Reply) -> datetime:
    """Return a time from which the next page has all rows that this one has not, and at least one that it has."""
    last = time(reply.data[-1]["updated_at"])
    assert last is not None
    return last - _TICK
