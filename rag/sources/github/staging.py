"""Stage the rows of listings: which listings a repository has, and which of their fields are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rag.errors import Unstorable
from rag.sources.github import rows
from rag.sources.github.repository import Repository, Row
from rag.store.github import GitHubComment, GitHubThread
from rag.store.store import Store, Transaction

__all__ = ["Listing", "Unstaged", "listings", "replace_comments"]


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing by update time.

    `name` is its key in the cursor: issues, which lists pull requests as well, comments or review_comments.
    """

    repository: Repository
    name: Literal["issues", "comments", "review_comments"]

    @property
    def path(self) -> str:
        """Its path in the API."""
        endpoints = {"issues": "issues", "comments": "issues/comments", "review_comments": "pulls/comments"}
        return f"{self.repository.path}/{endpoints[self.name]}"

    @property
    def parameters(self) -> dict[str, str]:
        """Its query parameters, except those for the order."""
        return {"state": "all"} if self.name == "issues" else {}

    def stage(self, transaction: Transaction, page: Sequence[Row]) -> list[Unstaged]:
        """Stage a page of rows; return those that cannot be read or stored."""
        read = self._thread if self.name == "issues" else self._comment
        unstaged, items = [], []
        for row in page:
            try:
                items.append((row, read(row)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                unstaged.append(_unstaged(row, f"GitHub's reply cannot be read ({type(error).__name__}: {error})."))
        return unstaged + self._stage(transaction, items)

    def _stage(self, transaction: Transaction, items: Sequence[tuple[Row, Any]]) -> list[Unstaged]:
        """Stage rows together; if the database refuses them, in halves, until the row at fault is alone."""
        try:
            with transaction.part():
                self._put(transaction, [item for _, item in items if item is not None])
        except Unstorable as error:
            if len(items) == 1:
                return [_unstaged(items[0][0], str(error))]
            half = len(items) // 2
            return self._stage(transaction, items[:half]) + self._stage(transaction, items[half:])
        return []

    def _put(self, transaction: Transaction, items: Sequence[Any]) -> None:
        if self.name == "issues":
            transaction.github.put_threads(self.repository.name, items)
        else:
            transaction.github.put_comments(self.repository.name, items)

    def _thread(self, row: Row) -> GitHubThread:
        thread = rows.thread(row)
        # A thread that the settings leave out still has its place in the listing by creation, and may fix issues.
        return thread if thread.kind in self.repository.rest_kinds else rows.without_text(thread)

    def _comment(self, row: Row) -> tuple[int, GitHubComment] | None:
        """Return a comment with the number of its thread; None if the thread's kind is not included."""
        if ("pull" if "/pull/" in row["html_url"] else "issue") not in self.repository.rest_kinds:
            return None
        return rows.thread_number(row), (rows.issue_comment if self.name == "comments" else rows.review_comment)(row)

    @property
    def comment_kind(self) -> str:
        """The kind of the comments that it lists."""
        return "issue_comment" if self.name == "comments" else "review_comment"


@dataclass(frozen=True, slots=True)
class Unstaged:
    """A row that cannot be read or stored; `number` is that of its thread, if known."""

    number: int | None
    url: str
    reason: str


def _unstaged(row: Row, reason: str) -> Unstaged:
    number = row.get("number")
    if not isinstance(number, int):
        try:
            number = rows.thread_number(row)
        except (KeyError, TypeError, ValueError):
            number = None
    return Unstaged(number, str(row.get("html_url") or row.get("url") or row.get("id")), reason)


def listings(repository: Repository) -> list[Listing]:
    """Return the listings of the included kinds; threads come first, so that comments find theirs."""
    kinds = repository.rest_kinds
    found = [Listing(repository, "issues"), Listing(repository, "comments")] if kinds else []
    return [*found, Listing(repository, "review_comments")] if "pull" in kinds else found


def replace_comments(
    transaction: Transaction,
    store: Store,
    source: str,
    number: int,
    comments: Sequence[GitHubComment],
    kinds: Sequence[str] | None = None,
) -> None:
    """Stage all comments of a thread and delete the staged ones that are not among them.

    :param kinds: delete only comments of these kinds; None: of every kind
    """
    present = {(comment.kind, comment.id) for comment in comments}
    gone: dict[str, list[int]] = {}
    for comment in store.github.comments(source, number):
        if (comment.kind, comment.id) not in present and (kinds is None or comment.kind in kinds):
            gone.setdefault(comment.kind, []).append(comment.id)
    for kind, ids in gone.items():
        transaction.github.delete_comments(source, kind, ids)
    transaction.github.put_comments(source, [(number, comment) for comment in comments])
