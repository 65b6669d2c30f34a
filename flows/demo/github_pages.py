"""Web pages of the sample GitHub server: one for each issue, pull request and discussion, where citations lead."""

from __future__ import annotations

import html

from flows.demo.github_rest import Row

__all__ = ["thread_page"]

_STYLE = "<style>body{font:16px sans-serif;max-width:50rem;margin:2rem auto}pre{white-space:pre-wrap}</style>"


def thread_page(thread: Row) -> str:
    """Return the HTML page of a thread and its comments, with GitHub's anchors."""
    title = html.escape(thread["title"])
    parts = [f"<h1>{title} <small>#{thread['number']}</small></h1>", _section(thread, "")]
    for name, prefix in (("comments_list", "issuecomment-"), ("review_comments_list", "discussion_r")):
        prefix = "discussioncomment-" if "category" in thread else prefix
        for comment in thread.get(name, ()):
            parts.append(_section(comment, prefix))
            parts.extend(_section(reply, prefix) for reply in comment.get("replies", ()))
    return f"<!doctype html><meta charset=utf-8><title>{title}</title>{_STYLE}{''.join(parts)}"


def _section(row: Row, prefix: str) -> str:
    anchor = f' id="{prefix}{row["id"]}"' if prefix else ""
    author = html.escape(row.get("user") or "ghost")
    body = html.escape(row["body"] or "")
    return f"<hr><section{anchor}><b>{author}</b> on {row['created_at'][:10]}<pre>{body}</pre></section>"
