"""The loopback GitHub with what triage writes and reads beside issues: comments, reactions, the user, releases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flows.demo.github_rest import Row, now
from flows.demo.github_server import Handler, Request, Response, not_found
from tests.servers.github import GitHubServer

__all__ = ["CommentableGitHubServer"]


class _WritingHandler(Handler):
    def do_PATCH(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self._answer({})


class CommentableGitHubServer(GitHubServer):
    """Takes comments from the one who holds the token.

    :param login: the login of the token's owner
    """

    handler = _WritingHandler

    def __init__(self, export: Mapping[str, Any], *, login: str = "support-bot", **settings: Any) -> None:
        super().__init__(export, **settings)
        self.login = login
        self.releases: list[Row] = []
        #: (login, content) by the id of a comment
        self.reactions: dict[int, list[tuple[str, str]]] = {}
        #: raised, if set, after the next comment was stored and before it is answered
        self.cut_after_comment = False

    def written(self) -> list[tuple[str, str]]:
        """The methods and paths of the requests that change something."""
        return [
            (request.method, request.path)
            for request in self.requests
            if request.method != "GET" and request.path != "/graphql"
        ]

    def bodies(self, number: int) -> list[str]:
        """The comments of the token's owner on an issue."""
        return [row["body"] for row in self.comments(number) if row["user"] == self.login]

    def thumb_down(self, number: int, login: str) -> None:
        """Give the comment of the token's owner a thumb down."""
        comment = next(row for row in self.comments(number) if row["user"] == self.login)
        self.reactions.setdefault(comment["id"], []).append((login, "-1"))
        comment["reactions"] = {"-1": len(self.reactions[comment["id"]])}

    def _is_api(self, path: str) -> bool:
        return path == "/user" or super()._is_api(path)

    def _route(self, request: Request) -> Response:
        if request.path == "/user":
            return Response(200, self.rows.user(self.login))
        rest = request.path.partition(self.full_name)[2]
        if rest == "/releases":
            return Response(200, self.releases)
        if request.method == "POST" and (found := re.fullmatch(r"/issues/(\d+)/comments", rest)):
            return self._comment(int(found[1]), request.body["body"])
        if found := re.fullmatch(r"/issues/comments/(\d+)(/reactions)?", rest):
            return self._one(request, int(found[1]), is_about_reactions=bool(found[2]))
        return super()._route(request)

    def _comment(self, number: int, body: str) -> Response:
        with self._changing():
            comment_id = self.add_comment(number, body, user=self.login)
            if self.cut_after_comment:
                self.cut_after_comment = False
                return Response(502, {"message": "Server Error"})
            return Response(201, self._row(number, comment_id))

    def _one(self, request: Request, comment_id: int, *, is_about_reactions: bool) -> Response:
        number = next((n for n in self.numbers if any(row["id"] == comment_id for row in self.comments(n))), None)
        if number is None:
            return not_found()
        if is_about_reactions:
            given = self.reactions.get(comment_id, [])
            rows = [
                {"id": place, "content": content, "user": self.rows.user(login), "created_at": now()}
                for place, (login, content) in enumerate(given)
            ]
            return Response(200, rows)
        if request.method == "PATCH":
            self.edit_comment(number, comment_id, request.body["body"])
        if request.method == "DELETE":
            self.delete_comment(number, comment_id)
            return Response(204, "")
        return Response(200, self._row(number, comment_id))

    def _row(self, number: int, comment_id: int) -> Row:
        thread = self._threads[number]
        comment = next(row for row in thread["comments_list"] if row["id"] == comment_id)
        row: Row = json.loads(json.dumps(self.rows.comment({**comment, "thread": thread})))
        return row
