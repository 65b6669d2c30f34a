"""The sample's GitHub server for tests, which can change its data, refuse requests and inject faults."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flows.demo import github_server
from flows.demo.github_rest import DOCUMENTATION, Row, now
from flows.demo.github_server import Handler, Request, Response, load_export, not_found

__all__ = ["DROP", "FAULTS", "TRUNCATE", "FaultyGitHubServer", "GitHubServer", "Request", "Response", "load_export"]

DROP = "X-Fault-Drop"
TRUNCATE = "X-Fault-Truncate"


def _failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"message": message, "documentation_url": "https://docs.github.com"}, dict(headers or {}))


def _unicorn(status: int) -> Response:
    return Response(status, "<html><body>Unicorn!</body></html>")


#: Every kind of fault, by name.
FAULTS: dict[str, Callable[[], Response]] = {
    "500": lambda: _failure(500, "Server Error"),
    "502 as HTML": lambda: _unicorn(502),
    "503": lambda: _failure(503, "Service unavailable"),
    "dropped": lambda: Response(200, {}, {DROP: "1"}),
    "truncated": lambda: Response(200, [{"number": 1}] * 20, {TRUNCATE: "1"}),
    "broken JSON": lambda: Response(200, '[{"number": 1, "title": "cut o'),
    "secondary limit, 403": lambda: _failure(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        {"Retry-After": "0"},
    ),
    "secondary limit, 429": lambda: _failure(429, "Too many requests", {"Retry-After": "0"}),
}


class GitHubServer(github_server.GitHubServer):
    """The sample's server with switches for tests.

    :param tokens: if given, any other token gets a 401, and a request without one a 404, as for a private repository
    """

    def __init__(self, export: Mapping[str, Any], *, tokens: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(export, **settings)
        self.tokens = tokens
        self.has_issues = True
        self.renamed_from: set[str] = set()
        self._moved: dict[int, Row] = {}

    @property
    def numbers(self) -> set[int]:
        """The numbers of the issues and pull requests."""
        return set(self._threads)

    def comments(self, number: int) -> list[Row]:
        """The comments of an issue or pull request."""
        return list(self._threads[number]["comments_list"])

    # Refusing

    def _route(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").split(" ")[-1]
        if self.tokens and not token:
            return not_found()
        if self.tokens and token not in self.tokens:
            return Response(401, {"message": "Bad credentials", "documentation_url": DOCUMENTATION, "status": "401"})
        return super()._route(request)

    def _list(self, request: Request, what: str) -> Response:
        if what == "issues" and not self.has_issues:
            return Response(410, {"message": "Issues are disabled for this repo", "documentation_url": DOCUMENTATION})
        return super()._list(request, what)

    def _issue(self, request: Request, number: int) -> Response:
        if moved := self._moved.get(number):
            url = f"{self.api_url}/repos/{moved['full_name']}/issues/{number}"
            return Response(301, {"message": "Moved Permanently", "url": url}, {"Location": url})
        return super()._issue(request, number)

    def _repository(self, request: Request, number: int) -> Response:
        response = super()._repository(request, number)
        assert isinstance(response.data, dict)
        response.data |= {"has_issues": self.has_issues, "private": bool(self.tokens)}
        response.data["visibility"] = "private" if self.tokens else "public"
        return response

    def _redirect(self, name: str, rest: str) -> Response:
        transferred = next((row for row in self._moved.values() if row["full_name"] == name), None)
        if transferred and rest == f"/issues/{transferred['number']}":
            row = self.rows.issue(transferred)
            return Response(200, json.loads(json.dumps(row).replace(f"/repos/{self.full_name}", f"/repos/{name}")))
        if name in self.renamed_from:
            url = f"{self.api_url}/repositories/{self.repository_id}{rest}"
            return Response(301, {"message": "Moved Permanently", "url": url}, {"Location": url})
        return super()._redirect(name, rest)

    # Changing the data

    def add_issue(self, title: str, body: str = "", *, at: str | None = None, **fields: object) -> int:
        """Open an issue, or a pull request if `pull_request={}` is given; return its number."""
        with self._changing():
            number = max((*self._threads, *self._discussions), default=0) + 1
            at = at or now()
            self._threads[number] = {
                "number": number,
                "title": title,
                "body": body,
                "state": "open",
                "user": "newcomer",
                "author_association": "NONE",
                "labels": [],
                "created_at": at,
                "updated_at": at,
                "closed_at": None,
                "comments_list": [],
                **fields,
            }
            return int(number)

    def edit_issue(self, number: int, *, at: str | None = None, **fields: object) -> None:
        """Change fields of an issue or pull request."""
        with self._changing():
            self._threads[number] |= {**fields, "updated_at": at or now()}

    def delete_issue(self, number: int) -> None:
        """Delete an issue with its comments."""
        with self._changing():
            del self._threads[number]

    def transfer_issue(self, number: int, full_name: str) -> None:
        """Redirect an issue to another repository, which this server does not have."""
        with self._changing():
            self._moved[number] = {**self._threads.pop(number), "full_name": full_name}

    def convert_issue(self, number: int, *, category: str = "Q&A", at: str | None = None) -> int:
        """Convert an issue to a discussion; return the number of the discussion."""
        with self._changing():
            new = max((*self._threads, *self._discussions)) + 1
            row = self._threads.pop(number)
            self._discussions[new] = {**row, "number": new, "category": category, "updated_at": at or now()}
            return int(new)

    def add_comment(
        self, number: int, body: str, *, at: str | None = None, review: bool = False, **fields: object
    ) -> int:
        """Add a comment, or a review comment if `review` is true; return its id."""
        with self._changing():
            at = at or now()
            thread = self._threads[number]
            present = [row["id"] for row in _comments_of(thread)]
            comment_id = max([number * 1000, *present]) + 1
            comment = {
                "id": comment_id,
                "user": "commenter",
                "body": body,
                "created_at": at,
                "updated_at": at,
                "author_association": "NONE",
                **fields,
            }
            thread.setdefault("review_comments_list" if review else "comments_list", []).append(comment)
            thread["updated_at"] = max(at, thread["updated_at"])
            return int(comment_id)

    def edit_comment(self, number: int, comment_id: int, body: str, *, at: str | None = None) -> None:
        """Change a comment's body."""
        with self._changing():
            at = at or now()
            thread = self._threads[number]
            comment = next(row for row in _comments_of(thread) if row["id"] == comment_id)
            comment |= {"body": body, "updated_at": at}
            thread["updated_at"] = max(at, thread["updated_at"])

    def delete_comment(self, number: int, comment_id: int, *, at: str | None = None) -> None:
        """Delete a comment."""
        with self._changing():
            thread = self._threads[number]
            for name in ("comments_list", "review_comments_list"):
                thread[name] = [row for row in thread.get(name, ()) if row["id"] != comment_id]
            thread["updated_at"] = max(at or now(), thread["updated_at"])

    def edit_discussion(self, number: int, *, at: str | None = None, **fields: object) -> None:
        """Change fields of a discussion."""
        with self._changing():
            self._discussions[number] |= {**fields, "updated_at": at or now()}

    def delete_discussion(self, number: int) -> None:
        """Delete a discussion."""
        with self._changing():
            del self._discussions[number]

    def rename(self, full_name: str) -> None:
        """Rename the repository; the old name redirects."""
        with self._changing():
            self.renamed_from.add(self.full_name)
            self.rows.full_name = full_name

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            self._sorted.clear()


def _comments_of(thread: Row) -> list[Row]:
    return [*thread.get("comments_list", ()), *thread.get("review_comments_list", ())]


class FaultyHandler(Handler):
    """A handler that can drop a connection or truncate a reply."""

    def send(self, response: Response) -> None:
        if DROP in response.headers:
            self.close_connection = True
            return
        if TRUNCATE in response.headers:
            payload = json.dumps(response.data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload[: len(payload) // 2])
            self.close_connection = True
            return
        super().send(response)


class FaultyGitHubServer(GitHubServer):
    """A server that fails at given rates and calls a hook before each request.

    :param rates: the probability of each kind of FAULTS
    :param before: called with the number of the request, from 1, before the reply
    """

    handler = FaultyHandler

    def __init__(
        self,
        export: Mapping[str, Any],
        *,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
        before: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(export, **settings)
        self.injected: dict[str, int] = dict.fromkeys(FAULTS, 0)
        #: Replies to the next requests, for a fault at a certain request.
        self.next: list[Response] = []
        self._rates = dict(rates or {})
        self._random = random.Random(seed)
        self._before = before
        self._guard = threading.Lock()

    def answer(self, request: Request) -> Response:
        with self._guard:
            if self._before:
                self._before(len(self.requests) + 1)
            if self.next:
                self.requests.append(request)
                return self.next.pop(0)
            for name, rate in self._rates.items():
                if self._random.random() < rate:
                    self.injected[name] += 1
                    self.requests.append(request)
                    return FAULTS[name]()
        return super().answer(request)
