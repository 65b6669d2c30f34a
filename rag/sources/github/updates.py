"""Read listings by update time without missing rows that move meanwhile."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime, timedelta

from rag.sources.github.client import GitHubClient, Reply
from rag.sources.github.repository import checked_listing, format_time, parse_time

__all__ = ["pages_by_update"]

#: Timestamps have a resolution of a second, and rows of the same second may be on two pages.
_TICK = timedelta(seconds=1)


def pages_by_update(
    client: GitHubClient,
    path: str,
    parameters: Mapping[str, str],
    *,
    since: datetime | None,
    until: datetime | None = None,
    etag: str | None = None,
) -> Iterator[Reply]:
    """Yield the pages of a listing by update time, oldest first; none if `etag` still matches.

    Page numbers would miss rows: when a row is updated or deleted, later rows move up, and one of them moves from the
    next page to one that was read before. Instead, each page is requested from the last timestamp seen. So rows may be
    listed twice, and the last page may reach beyond `until`.

    :param until: request no page that would begin at this time or later
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
    """Yield the pages of rows with the same timestamp, if they fill more than one page.

    Only page numbers distinguish these pages, so they are read again until a pass finds no new row.

    :returns: the time to continue from; None at the end of the listing
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
            reply = checked_listing(client.get(following))
        if len(known) == before:
            return last if last > since else None


def _first_page(
    client: GitHubClient, path: str, parameters: Mapping[str, str], since: datetime | None, etag: str | None
) -> Reply:
    query: dict[str, str | int] = {**parameters, "sort": "updated", "direction": "asc"}
    if since is not None:
        query["since"] = format_time(since) or ""

    def ask(size: int, attempts: int | None) -> Reply:
        return client.get(path, {**query, "per_page": size}, etag=etag, attempts=attempts)

    return checked_listing(client.in_smaller_pages(ask))


def _last_time(reply: Reply) -> datetime:
    """Return the time to request the next page from: it repeats at least one row of this page and misses none."""
    last = parse_time(reply.data[-1]["updated_at"])
    assert last is not None
    return last - _TICK
