"""Render pending threads: those whose staged rows changed since their documents were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from rag.errors import SourceError
from rag.sources import Change, Changed, Failed, Removed
from rag.sources.github import rows
from rag.sources.github.client import Gone, Reply
from rag.sources.github.render import document_id, render
from rag.sources.github.repository import Repository, Row, checked_listing, parse_time
from rag.sources.github.staging import replace_comments
from rag.store.github import GitHubComment, PendingThread
from rag.store.store import Transaction

__all__ = ["listed_rows", "removal", "render_pending"]

_BATCH = 100


def render_pending(repository: Repository, *, numbers: Sequence[int] | None = None) -> Iterator[Change]:
    """Yield the documents of pending threads.

    :param numbers: only these threads, and only those that are staged completely; the others stay pending
    """
    after = 0
    while threads := repository.store.github.pending(repository.name, numbers=numbers, after=after, limit=_BATCH):
        for thread in threads:
            kinds = _incomplete(repository, thread)
            if not kinds or numbers is None:
                yield _rendered(repository, thread, kinds)
        after = threads[-1].number


def removal(repository: Repository, number: int, kind: str) -> Removed:
    """Return the removal of a thread's document and staged rows."""
    return Removed(
        document_id(repository.name, kind, number),
        lambda transaction: transaction.github.delete_thread(repository.name, number),
    )


def _rendered(repository: Repository, thread: PendingThread, kinds: Sequence[str]) -> Change:
    """Return the document of a thread, or its failure.

    :param kinds: the kinds of comments to fetch first
    """
    try:
        return _complete(repository, thread, kinds) if kinds else _document(repository, thread)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        said = f"It cannot be rendered ({type(error).__name__}: {error})."
        document = document_id(repository.name, thread.kind, thread.number)
        return Failed(str(thread.data.get("html_url") or document), said, document)


def _document(repository: Repository, thread: PendingThread) -> Changed:
    return Changed(
        render(repository.name, thread),
        lambda transaction: _settle(transaction, repository, thread),
    )


def _settle(transaction: Transaction, repository: Repository, thread: PendingThread) -> None:
    transaction.github.settle(repository.name, thread.number, thread.revision)


def _incomplete(repository: Repository, thread: PendingThread) -> list[str]:
    """Return the kinds of comments that are not staged completely.

    GitHub counts a thread's comments: another number is staged if some were deleted, or are older than `since`.
    """
    if thread.kind == "discussion":
        return []
    staged = sum(comment.kind == "issue_comment" for comment in thread.comments)
    kinds = ["issue_comment"] if staged != thread.data["comments"] else []
    since, created = repository.config.since, parse_time(thread.data["created_at"])
    if thread.kind == "pull" and since and created and created < since:
        kinds.append("review_comment")
    return kinds


def _complete(repository: Repository, thread: PendingThread, kinds: Sequence[str]) -> Change:
    """Fetch the comments of one thread and return its document."""
    try:
        fetched = list(_comments_of(repository, thread, kinds))
    except Gone:
        return removal(repository, thread.number, thread.kind)
    except SourceError as error:
        if error.retryable:
            raise
        return Failed(thread.data["html_url"], str(error), document_id(repository.name, thread.kind, thread.number))
    others = [comment for comment in thread.comments if comment.kind not in kinds]

    def record(transaction: Transaction) -> None:
        # Settling comes first because it locks the row; staging the comments makes the thread pending again.
        settled = transaction.github.settle(repository.name, thread.number, thread.revision)
        replace_comments(transaction, repository.store, repository.name, thread.number, fetched, kinds)
        if settled:
            transaction.github.settle(repository.name, thread.number)

    return Changed(render(repository.name, replace(thread, comments=[*others, *fetched])), record)


def _comments_of(repository: Repository, thread: PendingThread, kinds: Sequence[str]) -> Iterator[GitHubComment]:
    for kind in kinds:
        folder, read = {
            "issue_comment": ("issues", rows.issue_comment),
            "review_comment": ("pulls", rows.review_comment),
        }[kind]
        path = f"{repository.path}/{folder}/{thread.number}/comments"
        yield from map(read, listed_rows(repository, path))


def listed_rows(repository: Repository, path: str) -> Iterator[Row]:
    """Yield the rows of a whole listing."""
    reply = checked_listing(repository.client.in_smaller_pages(partial(_first_page, repository, path)))
    while True:
        yield from reply.data
        following = reply.link("next")
        if following is None:
            return
        reply = checked_listing(repository.client.get(following))


def _first_page(repository: Repository, path: str, size: int, attempts: int | None) -> Reply:
    return repository.client.get(path, {"per_page": size}, attempts=attempts)
