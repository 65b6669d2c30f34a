"""Discussions, which only GitHub's GraphQL API serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rag.sources.github import rows
from rag.sources.github.client import GitHubClient
from rag.store.github import GitHubComment, GitHubThread

__all__ = ["QUERIES", "Discussions"]

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
_LIST = f"""
query Discussions($owner: String!, $name: String!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    issues {{ totalCount }}
    pullRequests {{ totalCount }}
    discussions(first: 25, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
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

    def updated_since(self, since: datetime | None) -> Iterator[list[tuple[GitHubThread, list[GitHubComment]]]]:
        """Yield pages of discussions with all their comments, from the latest update down to `since`, included.

        A discussion that is updated meanwhile moves to the front, which was read before. Its timestamp is then later
        than the cursor, so that the next sync finds it.
        """
        after: str | None = None
        while True:
            variables = {"owner": self._owner, "name": self._name, "after": after}
            repository = self._client.graphql(_LIST, variables)["repository"]
            self.other_threads = repository["issues"]["totalCount"] + repository["pullRequests"]["totalCount"]
            found = repository["discussions"]
            self.total = found["totalCount"]
            nodes = [
                node for node in found["nodes"] if since is None or datetime.fromisoformat(node["updatedAt"]) >= since
            ]
            yield [(rows.discussion(node), list(self._comments(node))) for node in nodes]
            if len(nodes) < len(found["nodes"]) or not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of all discussions, a hundred for each request."""
        after: str | None = None
        while True:
            variables = {"owner": self._owner, "name": self._name, "after": after}
            found = self._client.graphql(_NUMBERS, variables)["repository"]["discussions"]
            yield from (node["number"] for node in found["nodes"])
            if not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]

    def _comments(self, discussion: Node) -> Iterator[GitHubComment]:
        for comment in self._all(discussion, "comments", _MORE_COMMENTS):
            yield rows.discussion_comment(comment, None)
            for reply in self._all(comment, "replies", _MORE_REPLIES):
                yield rows.discussion_comment(reply, comment["databaseId"])

    def _all(self, parent: Node, field: str, more: str) -> Iterator[Node]:
        found = parent[field]
        while True:
            yield from found["nodes"]
            if not found["pageInfo"]["hasNextPage"]:
                return
            found = self._client.graphql(more, {"id": parent["id"], "after": found["pageInfo"]["endCursor"]})["node"][
                field
            ]
