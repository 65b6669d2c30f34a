"""Stage the rows of listings: which listings a repository has, and which of their fields are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.sources.github import rows
from rag.sources.github.repository import Repository, Row
from rag.store.github import GitHubComment, GitHubThread
from rag.store.store import Store, Transaction

__all__ = ["Listing", "listings", "replace_comments"]


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

    def stage(self, transaction: Transaction, page: Sequence[Row]) -> None:
        """Stage a page of rows."""
        if self.name == "issues":
            transaction.github.put_threads(self.repository.name, [self._thread(row) for row in page])
        else:
            transaction.github.put_comments(self.repository.name, list(self.comments(page)))

    def _thread(self, row: Row) -> GitHubThread:
        thread = rows.thread(row)
        # A thread that the settings leave out still has its place in the listing by creation, and may fix issues.
        return thread if thread.kind in self.repository.rest_kinds else rows.without_text(thread)

    def comments(self, page: Sequence[Row]) -> Iterator[tuple[int, GitHubComment]]:
        """Yield the comments on threads of the included kinds, each with the number of its thread."""
        read = rows.issue_comment if self.name == "comments" else rows.review_comment
        for row in page:
            if ("pull" if "/pull/" in row["html_url"] else "issue") in self.repository.rest_kinds:
                yield rows.thread_number(row), read(row)


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
