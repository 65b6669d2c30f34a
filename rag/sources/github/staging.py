"""From a page of a listing to staged rows: what the listings are, and what is kept of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.sources.github import rows
from rag.sources.github.repository import Repository, Row
from rag.store.store import GitHubComment, GitHubThread, Store, Transaction

__all__ = ["Listing", "listings", "replace_comments"]


@dataclass(frozen=True, slots=True)
class Listing:
    """One of the listings by update time that a repository has.

    `what` names it in the cursor: issues, which lists pull requests as well, comments or review_comments.
    """

    repository: Repository
    what: Literal["issues", "comments", "review_comments"]

    @property
    def path(self) -> str:
        """The path to ask for."""
        below = {"issues": "issues", "comments": "issues/comments", "review_comments": "pulls/comments"}
        return f"{self.repository.path}/{below[self.what]}"

    @property
    def parameters(self) -> dict[str, str]:
        """What is asked for beside the order."""
        return {"state": "all"} if self.what == "issues" else {}

    def stage(self, transaction: Transaction, page: Sequence[Row]) -> None:
        """Stage a page of rows."""
        if self.what == "issues":
            transaction.put_github_threads(self.repository.name, [self._thread(row) for row in page])
        else:
            transaction.put_github_comments(self.repository.name, list(self.comments(page)))

    def _thread(self, row: Row) -> GitHubThread:
        thread = rows.thread(row)
        # One that is not asked for has its place in the listing by creation all the same, and fixes what it fixes.
        return thread if thread.kind in self.repository.rest_kinds else rows.without_text(thread)

    def comments(self, page: Sequence[Row]) -> Iterator[tuple[int, GitHubComment]]:
        """Yield the comments of a page that belong to a kind of thread that is asked for, with its number."""
        read = rows.issue_comment if self.what == "comments" else rows.review_comment
        for row in page:
            if ("pull" if "/pull/" in row["html_url"] else "issue") in self.repository.rest_kinds:
                yield rows.thread_number(row), read(row)


def listings(repository: Repository) -> list[Listing]:
    """Return the listings that bring what is asked for; threads come first, so that comments find theirs."""
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
    """Stage all comments of a thread, and forget those of `kinds` (None: of every kind) that are not among them."""
    present = {(comment.kind, comment.id) for comment in comments}
    gone: dict[str, list[int]] = {}
    for comment in store.github_thread_comments(source, number):
        if (comment.kind, comment.id) not in present and (kinds is None or comment.kind in kinds):
            gone.setdefault(comment.kind, []).append(comment.id)
    for kind, ids in gone.items():
        transaction.delete_github_comments(source, kind, ids)
    transaction.put_github_comments(source, [(number, comment) for comment in comments])
