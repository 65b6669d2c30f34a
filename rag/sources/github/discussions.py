"""Discussions, which only GitHub's GraphQL API serves."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from rag.errors import SourceError
from rag.sources.github import rows
from rag.sources.github.client import GitHubClient
from rag.store.github import GitHubComment, GitHubThread

__all__ = ["QUERIES", "Discussions", "Read"]

_COMMENT = """
    databaseId url body createdAt updatedAt authorAssociation
    author { __typename login } reactions { totalCount }
"""
_REPLIES = f"nodes {{ {_COMMENT} }} pageInfo {{ hasNextPage endCursor }}"
_COMMENTS = f"""
    totalCount
    nodes {{ id {_COMMENT} replies(first: 50) {{ {_REPLIES} }} }}
    pageInfo {{ hasNextPage endCursor }}
"""
# 25 x 40 x 50 is 50,000 nodes, a tenth of the limit of one query.
_MOST_AT_ONCE = 25
_LIST = f"""
query Discussions($owner: String!, $name: String!, $after: String, $first: Int!) {{
  repository(owner: $owner, name: $name) {{
    issues {{ totalCount }}
    pullRequests {{ totalCount }}
    discussions(first: $first, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
      totalCount
      nodes {{
        id number title body url createdAt updatedAt closed closedAt stateReason authorAssociation
        author {{ __typename login }}
        category {{ name }}
        answer {{ databaseId }}
        labels(first: 50) {{ nodes {{ name }} }}
        reactions {{ totalCount }}
        comments(first: 40) {{ {_COMMENTS} }}
      }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
"""
_NUMBERS = """
query Numbers($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: 100, after: $after) { nodes { number } pageInfo { hasNextPage endCursor } }
  }
}
"""
_MORE_COMMENTS = f"""
query Comments($id: ID!, $after: String) {{
  node(id: $id) {{ ... on Discussion {{ comments(first: 40, after: $after) {{ {_COMMENTS} }} }} }}
}}
"""
_MORE_REPLIES = f"""
query Replies($id: ID!, $after: String) {{
  node(id: $id) {{ ... on DiscussionComment {{ replies(first: 50, after: $after) {{ {_REPLIES} }} }} }}
}}
"""

#: All queries that are sent to GitHub's GraphQL API.
QUERIES = (_LIST, _NUMBERS, _MORE_COMMENTS, _MORE_REPLIES)

Node = Mapping[str, Any]
#: A discussion and its comments; None if GitHub leaves the comments out.
Read = tuple[GitHubThread, list[GitHubComment] | None]

log = logging.getLogger(__name__)

# The fields of a discussion without which it cannot be shown.
_REQUIRED = ("id", "number", "title", "url", "createdAt", "updatedAt")


class Discussions:
    """The discussions of a repository.

    :param path: /repos/OWNER/NAME
    """

    def __init__(self, client: GitHubClient, path: str) -> None:
        self._client = client
        self._owner, self._name = path.split("/")[2:4]
        #: the number of discussions, and of issues and pull requests; known after the first page
        self.total: int | None = None
        self.other_threads: int | None = None

    def updated_since(self, since: datetime | None) -> Iterator[list[Read]]:
        """Yield pages of discussions with all their comments, from the latest update down to `since`, included.

        A discussion that is updated meanwhile moves to the front, which was read before. Its timestamp is then later
        than the cursor, so that the next sync finds it.
        """
        after: str | None = None
        while True:
            repository = self._client.in_smaller_pages(partial(self._page, after))
            self.other_threads = _sum(_total(repository, "issues"), _total(repository, "pullRequests"))
            found = _connection(repository, "discussions")
            self.total = found.get("totalCount")
            nodes = _nodes(found)
            late = [node for node in nodes if since is None or datetime.fromisoformat(node["updatedAt"]) >= since]
            yield list(self._read_all(late))
            if len(late) < len(nodes) or not (after := _next(found)):
                return

    def _page(self, after: str | None, size: int, attempts: int | None) -> Node:
        variables = {"owner": self._owner, "name": self._name, "after": after, "first": min(size, _MOST_AT_ONCE)}
        repository: Node = self._client.graphql(_LIST, variables, attempts=attempts)["repository"]
        return repository

    def _read_all(self, nodes: Iterable[Node]) -> Iterator[Read]:
        for node in nodes:
            try:
                yield self._read(node)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                log.warning("%s cannot be read (%s: %s)", node["url"], type(error).__name__, error)

    def _read(self, node: Node) -> Read:
        comments = list(self._comments(node)) if node.get("comments") else None
        return rows.discussion(node), comments

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of all discussions, a hundred for each request.

        :raises SourceError: GitHub leaves some out
        """
        after: str | None = None
        while True:
            variables = {"owner": self._owner, "name": self._name, "after": after}
            found = _connection(self._client.graphql(_NUMBERS, variables)["repository"], "discussions")
            for node in found.get("nodes") or ():
                if not node or not node.get("number"):
                    raise SourceError("GitHub leaves out discussions that the token may not read.")
                yield node["number"]
            if not (after := _next(found)):
                return

    def _comments(self, discussion: Node) -> Iterator[GitHubComment]:
        for comment in self._all(discussion, "comments", _MORE_COMMENTS):
            yield rows.discussion_comment(comment, None)
            for reply in self._all(comment, "replies", _MORE_REPLIES):
                yield rows.discussion_comment(reply, comment["databaseId"])

    def _all(self, parent: Node, field: str, more: str) -> Iterator[Node]:
        found = parent.get(field) or {}
        while True:
            yield from (node for node in found.get("nodes") or () if node and node.get("databaseId"))
            after = _next(found)
            if not after:
                return
            found = _connection(self._client.graphql(more, {"id": parent["id"], "after": after})["node"], field)


def _connection(parent: Node, field: str) -> Node:
    """Return a connection of a reply.

    :raises SourceError: GitHub leaves it out, for example because the token may not read it
    """
    found = parent.get(field)
    if not isinstance(found, Mapping):
        raise SourceError(f"GitHub's reply has no {field}: the token may not read them.")
    return found


def _nodes(found: Node) -> list[Node]:
    """Return the nodes of a page that can be read; the others are left out, with a warning."""
    nodes = found.get("nodes") or []
    readable = [node for node in nodes if node and all(node.get(field) for field in _REQUIRED)]
    if len(readable) < len(nodes):
        log.warning(
            "GitHub leaves out %d of %d discussions that the token may not read", len(nodes) - len(readable), len(nodes)
        )
    return readable


def _next(found: Node) -> str | None:
    """Return where the next page begins; None after the last one."""
    page = found.get("pageInfo") or {}
    return page.get("endCursor") if page.get("hasNextPage") else None


def _total(parent: Node, field: str) -> int | None:
    return (parent.get(field) or {}).get("totalCount")


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
