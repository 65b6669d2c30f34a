"""Staged GitHub data: threads and comments as fetched, from which documents are rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from rag.store.postgres.encoding import dump_json
from rag.store.statements import Reads, Writes
from rag.trust.secrets import masked

__all__ = ["GitHubComment", "GitHubThread", "PendingThread", "StagedThreadWrites", "StagedThreads"]

# The columns of a thread or a comment that people write; the others are names, numbers and dates.
_WRITTEN = ("title", "body")


@dataclass(frozen=True, slots=True)
class GitHubThread:
    """A staged issue, pull request or discussion.

    `kind` is issue, pull or discussion, or None for a thread of a kind that the source does not include.
    """

    number: int
    kind: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GitHubComment:
    """A staged comment."""

    kind: str
    id: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PendingThread:
    """A thread whose document must be written, with its staged data as of a revision."""

    number: int
    kind: str
    data: dict[str, Any]
    revision: int
    comments: Sequence[GitHubComment] = ()
    #: {"number", "url", "merged_at"} of each merged pull request that says it fixes this issue
    fixed_by: Sequence[dict[str, Any]] = ()


class StagedThreads(Reads):
    """The staged threads and comments of the GitHub sources."""

    def pending(
        self, source: str, *, numbers: Sequence[int] | None = None, after: int = 0, limit: int = 100
    ) -> list[PendingThread]:
        """Return the threads that changed since their document was written, with numbers above `after`, in order.

        :param numbers: only these threads; None for all
        """
        wanted = None if numbers is None else list(numbers)
        values = {"source": source, "numbers": wanted, "after": after, "limit": limit}
        return [
            PendingThread(
                number, kind, data, revision, [GitHubComment(*comment) for comment in comments or ()], fixed_by or ()
            )
            for number, kind, data, revision, comments, fixed_by in self._rows("pending_github_threads", values)
        ]

    def thread(self, source: str, number: int) -> GitHubThread | None:
        """Return a staged thread."""
        rows = self._rows("github_thread", {"source": source, "number": number})
        return GitHubThread(*rows[0]) if rows else None

    def comments(self, source: str, number: int) -> list[GitHubComment]:
        """Return the staged comments of a thread, by kind and id."""
        rows = self._rows("github_thread_comments", {"source": source, "number": number})
        return [GitHubComment(*row) for row in rows]

    def comment_ids(self, source: str, kind: str, *, since: str = "", after: int = 0, limit: int = 1000) -> list[int]:
        """Return the ids above `after` of the staged comments of a kind updated at `since` (ISO 8601) or later."""
        values = {"source": source, "kind": kind, "since": since, "after": after, "limit": limit}
        return [row[0] for row in self._rows("github_comment_ids", values)]

    def thread_count(self, source: str) -> int:
        """Return how many issues and pull requests are staged, whatever kinds the source includes."""
        return int(self._rows("github_thread_count", {"source": source})[0][0])

    def discussion_count(self, source: str) -> int:
        """Return how many discussions are staged."""
        return int(self._rows("github_discussion_count", {"source": source})[0][0])

    def by_creation(self, source: str, *, offset: int, limit: int) -> list[int]:
        """Return a page of the numbers of staged issues and pull requests, the oldest thread first."""
        values = {"source": source, "limit": limit, "offset": offset}
        return [row[0] for row in self._rows("github_threads_by_creation", values)]

    def numbers(self, source: str, *, after: int = 0, limit: int | None = None) -> dict[int, str]:
        """Return the staged threads with a number above `after`, in order: kind by number."""
        return dict(self._rows("github_thread_numbers", {"source": source, "after": after, "limit": limit}))


class StagedThreadWrites(Writes):
    """The staged threads and comments, inside a transaction."""

    def put_threads(self, source: str, threads: Sequence[GitHubThread]) -> None:
        """Stage threads; a thread becomes pending only if it differs from the staged one and is not older.

        Issues named in the `fixes` of a thread's data become pending with it.
        """
        latest = {thread.number: thread for thread in threads}
        rows = [{"number": row.number, "kind": row.kind, "data": _masked(row.data)} for row in latest.values()]
        self._stage("put_github_threads", source, rows)

    def put_comments(self, source: str, comments: Sequence[tuple[int, GitHubComment]]) -> None:
        """Stage comments, each with the number of its thread; threads with new or changed comments become pending."""
        latest = {(comment.kind, comment.id): (number, comment) for number, comment in comments}
        rows = [
            {"number": number, "kind": comment.kind, "id": comment.id, "data": _masked(comment.data)}
            for number, comment in latest.values()
        ]
        self._stage("put_github_comments", source, rows)

    def _stage(self, query: str, source: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._run("lock_staging", {"source": source})
            self._run(query, {"source": source, "rows": Jsonb(rows, dumps=dump_json)})

    def delete_comments(self, source: str, kind: str, ids: Sequence[int]) -> None:
        """Remove comments that were deleted upstream; their threads become pending."""
        self._run("lock_staging", {"source": source})
        self._run("delete_github_comments", {"source": source, "kind": kind, "ids": list(ids)})

    def settle(self, source: str, number: int, revision: int | None = None) -> bool:
        """Record that the document of a thread is written, unless its rows have changed since.

        :param revision: the revision that the document was rendered from; None for the staged one
        :returns: whether the thread is no longer pending
        """
        values = {"source": source, "number": number, "revision": revision}
        row = self._run("settle_github_thread", values).fetchone()
        return bool(row and row[0])

    def delete_thread(self, source: str, number: int) -> None:
        """Remove a thread that was deleted upstream, with its comments."""
        self._run("delete_github_thread", {"source": source, "number": number})

    def clear(self, source: str) -> None:
        """Remove all staged data of a source."""
        self._run("clear_github_comments", {"source": source})
        self._run("clear_github_threads", {"source": source})


def _masked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a thread or comment with the secrets in its written fields masked."""
    return {key: masked(value) if key in _WRITTEN and isinstance(value, str) else value for key, value in data.items()}
