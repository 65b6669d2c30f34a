"""Render the staged rows of a thread as a document: its body, then each comment under its own heading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from llama_index.core.schema import Document

from rag.sources.github.markdown import clean, without_quotes_of
from rag.store.github import GitHubComment, PendingThread
from rag.text.anchors import anchored
from rag.text.blocks import heading
from rag.text.urls import repository_of
from rag.text.versions import title_tags, versions_in

__all__ = ["KINDS", "MAINTAINERS", "RENDERING", "document_id", "render"]

#: The version of the rendering, part of a cursor's scope: after a change everything is read again.
RENDERING = 3

#: The kinds of threads, and their names in the settings and in document ids.
KINDS = {"issue": "issues", "pull": "pulls", "discussion": "discussions"}
_ASSOCIATIONS = frozenset({"OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR"})
#: The author associations whose comments count as answers of the project.
MAINTAINERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
#: Names of bots that GitHub does not mark as such.
_BOTS = re.compile(
    r"\[bot\]$|[-_]bot$|-robot$|^(?:codecov-(?:io|commenter)|coveralls|googlebot|claassistant|cla-assistant)$", re.I
)


def document_id(source: str, kind: str, number: int) -> str:
    """Return the id of a thread's document: NAME:issues/12, NAME:pulls/12 or NAME:discussions/12."""
    return f"{source}:{KINDS[kind]}/{number}"


def render(source: str, thread: PendingThread) -> Document:
    """Return the document of a thread; its comments may be in any order."""
    data = thread.data
    people = [comment for comment in thread.comments if not _is_bot(comment.data)]
    body = clean(data["body"], top=2)
    sections = [body] if body else []
    earlier = [body]
    for comment in _in_order(people):
        text = clean(comment.data["body"], top=3)
        new = without_quotes_of(text, earlier)
        earlier.append(text)
        if new:
            sections.append(f"{_heading(thread, comment)}\n\n{new}")
    return Document(
        id_=document_id(source, thread.kind, thread.number),
        text=_with_text("\n\n".join(sections), data["title"]),
        metadata=_metadata(source, thread, people),
    )


def _with_text(markdown: str, title: str) -> str:
    """Return a thread's text, which begins with its title if it is empty, or a template whose headings nobody filled.

    Chunks are cut from the text below the headings, so that nothing would find the thread.
    """
    is_text = any(line.strip() and not heading(line) for line in markdown.splitlines())
    return markdown if is_text else f"{title}\n\n{markdown}".strip()


def _metadata(source: str, thread: PendingThread, people: Sequence[GitHubComment]) -> dict[str, Any]:
    data = thread.data
    metadata: dict[str, Any] = {
        "url": data["html_url"],
        "title": data["title"],
        "source": source,
        "kind": thread.kind,
        "number": thread.number,
        "state": "merged" if data.get("merged_at") else data["state"],
        "state_reason": data.get("state_reason"),
        "labels": data.get("labels", []),
        "author": data["author"],
        "author_association": data["author_association"].lower(),
        "created_at": data["created_at"],
        "updated_at": data["updated_at"],
        "closed_at": data.get("closed_at"),
        "comments": len(people),
        "reactions": data.get("reactions", 0),
    }
    names = [data.get("milestone"), *data.get("labels", []), *title_tags(data["title"])]
    repository = repository_of(data["html_url"])
    if versions := versions_in(names, repository):
        metadata |= {"versions": versions, "product": repository}
    if thread.kind == "pull":
        metadata["merged_at"] = data.get("merged_at")
        metadata["fixes"] = data.get("fixes", [])
    if thread.kind == "issue" and thread.fixed_by:
        metadata["fixed_by"] = [dict(pull) for pull in thread.fixed_by]
    if thread.kind == "discussion":
        metadata["category"] = data.get("category")
        metadata["answered"] = data.get("answer") is not None
    return metadata


def _in_order(comments: Sequence[GitHubComment]) -> Iterator[GitHubComment]:
    """Yield comments by time, each reply below the comment that it replies to."""
    by_time = sorted(comments, key=lambda comment: (comment.data["created_at"], comment.id))
    ids = {comment.id for comment in comments}
    replies: dict[int, list[GitHubComment]] = {}
    roots: list[GitHubComment] = []
    for comment in by_time:
        parent = comment.data.get("in_reply_to_id")
        if parent in ids:
            replies.setdefault(parent, []).append(comment)
        else:
            roots.append(comment)
    for root in roots:
        waiting = [root]
        while waiting:
            comment = waiting.pop()
            yield comment
            waiting.extend(reversed(replies.get(comment.id, [])))


def _heading(thread: PendingThread, comment: GitHubComment) -> str:
    data = comment.data
    answer = _answer(thread, comment)
    if answer == "accepted":
        label = "Accepted answer by"
    elif comment.kind == "review_comment":
        label = "Review comment by"
    elif comment.kind == "discussion_comment" and data.get("in_reply_to_id"):
        label = "Reply by"
    else:
        label = "Comment by"
    association = data["author_association"]
    role = f" ({association.lower()})" if association in _ASSOCIATIONS else ""
    place = f" on {data['path']}" if data.get("path") else ""
    attributes = {
        "author": data["author"],
        "association": association.lower(),
        "at": data["created_at"],
        **({"answer": answer} if answer else {}),
    }
    heading = f"## {label} {data['author']}{role}{place}, {data['created_at'][:10]}"
    return anchored(heading, _fragment(comment), attributes)


def _answer(thread: PendingThread, comment: GitHubComment) -> str | None:
    """Return the weight of a comment as an answer: "accepted", "maintainer" or None."""
    if thread.kind == "discussion" and comment.id == thread.data.get("answer"):
        return "accepted"
    return "maintainer" if comment.data["author_association"] in MAINTAINERS else None


def _fragment(comment: GitHubComment) -> str:
    prefixes = {
        "issue_comment": "issuecomment-",
        "review_comment": "discussion_r",
        "discussion_comment": "discussioncomment-",
    }
    return urlsplit(comment.data["html_url"]).fragment or f"{prefixes[comment.kind]}{comment.id}"


def _is_bot(data: Mapping[str, Any]) -> bool:
    return bool(data.get("bot")) or bool(_BOTS.search(data["author"]))
