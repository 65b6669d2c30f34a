"""GraphQL of the sample GitHub server: the four operations of `rag.sources.github.discussions`, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flows.demo.github_rest import Row

__all__ = ["Discussions"]

_OPERATION = re.compile(r"\s*query (\w+)")
_Variables = Mapping[str, Any]


class Discussions:
    """Answers the operations Discussions, Numbers, Comments and Replies.

    :param rows: the discussions of the export
    :param address: returns the address of a thread's page
    """

    def __init__(self, rows: Iterable[Row], address: Callable[[Row], str]) -> None:
        self._rows = list(rows)
        self._address = address

    def answer(self, query: str, variables: _Variables, *, issues: int, pull_requests: int) -> Row:
        """Return the data of an operation; the fields are those that the operation selects.

        :raises ValueError: the operation is not one of the four
        """
        operation = _OPERATION.match(query)
        after = variables.get("after")
        match operation[1] if operation else "":
            case "Discussions":
                rows = sorted(self._rows, key=lambda row: (row["updated_at"], row["number"]), reverse=True)
                totals = {"issues": {"totalCount": issues}, "pullRequests": {"totalCount": pull_requests}}
                page = _page(list(map(self._discussion, rows)), variables["first"], after, count=True)
                return {"repository": {**totals, "discussions": page}}
            case "Numbers":
                rows = sorted(self._rows, key=lambda row: (row["created_at"], row["number"]), reverse=True)
                return {"repository": {"discussions": _page([{"number": row["number"]} for row in rows], 100, after)}}
            case "Comments":
                found = [row for row in self._rows if f"D_{row['number']}" == variables["id"]]
                return {"node": {"comments": self._comments(found[0], after)} if found else None}
            case "Replies":
                comments = ((row, comment) for row in self._rows for comment in row["comments_list"])
                for row, comment in comments:
                    if f"DC_{comment['id']}" == variables["id"]:
                        return {"node": {"replies": self._replies(row, comment, after)}}
                return {"node": None}
            case other:
                raise ValueError(f"The sample server does not know the operation {other!r}.")

    def _discussion(self, row: Row) -> Row:
        comments = [*row["comments_list"], *(reply for one in row["comments_list"] for reply in one.get("replies", ()))]
        is_answered = any(comment["id"] == row.get("answer") for comment in comments)
        return {
            "id": f"D_{row['number']}",
            "number": row["number"],
            "title": row["title"],
            "url": self._address(row),
            "closed": row.get("state", "open") == "closed",
            "closedAt": row.get("closed_at"),
            "stateReason": row.get("state_reason"),
            "category": {"name": row["category"]},
            "answer": {"databaseId": row["answer"]} if is_answered else None,
            "labels": {"nodes": [{"name": name} for name in row.get("labels", ())]},
            "comments": self._comments(row, None),
            **_common(row),
        }

    def _comments(self, discussion: Row, after: str | None) -> Row:
        comments = [
            {
                "id": f"DC_{comment['id']}",
                **self._comment(discussion, comment),
                "replies": self._replies(discussion, comment, None),
            }
            for comment in discussion["comments_list"]
        ]
        return _page(comments, 40, after, count=True)

    def _replies(self, discussion: Row, comment: Row, after: str | None) -> Row:
        return _page([self._comment(discussion, reply) for reply in comment.get("replies", ())], 50, after)

    def _comment(self, discussion: Row, row: Row) -> Row:
        url = f"{self._address(discussion)}#discussioncomment-{row['id']}"
        return {"databaseId": row["id"], "url": url, **_common(row)}


def _common(row: Row) -> Row:
    login = row.get("user")
    kind = "Bot" if str(login).endswith("[bot]") else "User"
    return {
        "body": row["body"],
        "author": {"__typename": kind, "login": login.removesuffix("[bot]")} if login else None,
        "authorAssociation": row.get("author_association", "NONE"),
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "reactions": {"totalCount": sum(row.get("reactions", {}).values())},
    }


def _page(nodes: list[Row], size: int, after: str | None, *, count: bool = False) -> Row:
    """Return a page of a connection; a cursor is the position after a node."""
    start = int(after or 0)
    end = min(start + size, len(nodes))
    page: Row = {"nodes": nodes[start:end], "pageInfo": {"hasNextPage": end < len(nodes), "endCursor": str(end)}}
    return {"totalCount": len(nodes), **page} if count else page
