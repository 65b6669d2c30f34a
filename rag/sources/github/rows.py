"""The fields of GitHub's rows that are staged, REST and GraphQL in one shape.

Only fields that a document is made of are kept, so that other changes on GitHub leave the staged row equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rag.store.github import GitHubComment, GitHubThread

__all__ = [
    "discussion",
    "discussion_comment",
    "fixes",
    "issue_comment",
    "review_comment",
    "thread",
    "thread_number",
    "without_text",
]

Row = Mapping[str, Any]

#: GitHub's closing keywords, before #12, OWNER/NAME#12 or the address of an issue.
_FIXES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+"
    r"(?:(?P<repository>[\w.-]+/[\w.-]+)?#|(?P<address>https?://[^\s/]+/[\w.-]+/[\w.-]+)/issues/)(?P<number>\d{1,9})\b",
    re.I,
)
#: Comments and code, which mention the keywords without meaning them: templates explain them, programs quote them.
_NOT_PROSE = re.compile(r"<!--.*?(?:-->|\Z)|^(`{3,}|~{3,}).*?(?:^\1|\Z)|`[^`\n]*`", re.S | re.M)


def thread(row: Row) -> GitHubThread:
    """Return the staged form of a row of the issues listing, which lists pull requests as well."""
    pull = row.get("pull_request")
    data = {
        **_common(row),
        "title": _text(row, "title"),
        "state": row.get("state"),
        "state_reason": row.get("state_reason"),
        "labels": sorted(_label(label) for label in row.get("labels") or ()),
        "closed_at": row.get("closed_at"),
        **({"milestone": milestone["title"]} if (milestone := row.get("milestone")) else {}),
        "comments": row.get("comments", 0),
        "merged_at": (pull or {}).get("merged_at"),
    }
    if pull and (numbers := fixes(data["body"], data["html_url"])):
        data["fixes"] = numbers
    return GitHubThread(row["number"], "pull" if pull else "issue", data)


def without_text(thread: GitHubThread) -> GitHubThread:
    """Return the staged form of a thread without a document: its timestamps, and the issues that it fixes."""
    keys = ("created_at", "updated_at", *(("html_url", "merged_at", "fixes") if "fixes" in thread.data else ()))
    return GitHubThread(thread.number, None, {key: thread.data[key] for key in keys})


def fixes(body: str, html_url: str) -> list[int]:
    """Return the sorted numbers of the issues that the text of a pull request closes.

    The keywords are those of https://docs.github.com/articles/closing-issues-using-keywords; issues of other
    repositories do not count.

    :param html_url: the pull request's own address
    """
    site = html_url.partition("/pull/")[0].lower()
    name = "/".join(site.rsplit("/", 2)[-2:])
    return sorted(
        {
            int(found["number"])
            for found in _FIXES.finditer(_NOT_PROSE.sub(" ", body))
            if (found["repository"] or name).lower() == name and (found["address"] or site).lower() == site
        }
    )


def issue_comment(row: Row) -> GitHubComment:
    """Return the staged form of a comment on an issue or pull request."""
    return GitHubComment("issue_comment", row["id"], _common(row))


def review_comment(row: Row) -> GitHubComment:
    """Return the staged form of a comment on a line of a pull request."""
    data = {**_common(row), "path": row.get("path"), "in_reply_to_id": row.get("in_reply_to_id")}
    return GitHubComment("review_comment", row["id"], data)


def thread_number(row: Row) -> int:
    """Return the number of the thread that a REST comment belongs to."""
    url = (
        row.get("issue_url") or row.get("pull_request_url") or urlsplit(row["html_url"])._replace(fragment="").geturl()
    )
    return int(str(url).rstrip("/").rsplit("/", 1)[-1])


def discussion(node: Row) -> GitHubThread:
    """Return the staged form of a discussion from GraphQL."""
    data = {
        **_common_node(node),
        "title": _text(node, "title"),
        "state": "closed" if node.get("closed") else "open",
        "state_reason": (node.get("stateReason") or "").lower() or None,
        "labels": sorted(label["name"] for label in (node.get("labels") or {}).get("nodes") or () if label),
        "closed_at": node.get("closedAt"),
        "comments": (node.get("comments") or {}).get("totalCount") or 0,
        "category": (node.get("category") or {}).get("name"),
        "answer": (node.get("answer") or {}).get("databaseId"),
    }
    return GitHubThread(node["number"], "discussion", data)


def discussion_comment(node: Row, reply_to: int | None) -> GitHubComment:
    """Return the staged form of a comment or reply in a discussion."""
    return GitHubComment("discussion_comment", node["databaseId"], {**_common_node(node), "in_reply_to_id": reply_to})


def _common(row: Row) -> dict[str, Any]:
    user = row.get("user") or {}
    return {
        "html_url": _text(row, "html_url"),
        "body": _text(row, "body") if row.get("body") else "",
        "author": user.get("login") or "ghost",
        "bot": user.get("type") == "Bot",
        "author_association": row.get("author_association") or "NONE",
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "reactions": (row.get("reactions") or {}).get("total_count", 0),
    }


def _common_node(node: Row) -> dict[str, Any]:
    author = node.get("author") or {}
    return {
        "html_url": _text(node, "url"),
        "body": _text(node, "body") if node.get("body") else "",
        "author": author.get("login") or "ghost",
        "bot": author.get("__typename") == "Bot",
        "author_association": node.get("authorAssociation") or "NONE",
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "reactions": (node.get("reactions") or {}).get("totalCount", 0),
    }


def _label(label: object) -> str:
    return str(label.get("name") or "") if isinstance(label, Mapping) else str(label)


def _text(row: Row, field: str) -> str:
    """Return a field that must be a text; a row of another form is not staged, since it would stay as it is.

    :raises TypeError: it is none
    """
    if not isinstance(text := row[field], str):
        raise TypeError(f"{field} is {text!r}")
    return text
