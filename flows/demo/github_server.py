"""A loopback server in the shape of GitHub: REST for issues and pull requests, GraphQL for discussions.

    with GitHubServer(export) as server:
        source = GitHubSource(config, store, token=None, api_url=server.api_url)

The demo, the benchmarks and the tests read issues from it with the client that reads GitHub. An export is a dict
{"full_name", "issues": [...], "discussions": [...]}. Its rows have the field names of GitHub's REST API, with users and
labels as plain strings. Pull requests have "pull_request"; comments are in "comments_list" and "review_comments_list".
A discussion has "category", "answer" (the id of a comment), and comments with "replies".
"""

from __future__ import annotations

import bisect
import gzip
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from flows.demo.github_graphql import Discussions
from flows.demo.github_pages import thread_page
from flows.demo.github_rest import DOCUMENTATION, RestRows, Row

__all__ = ["GitHubServer", "Handler", "Request", "Response", "load_export"]


def load_export(path: Path) -> Row:
    """Read an export, gzipped or not."""
    data = path.read_bytes()
    export: Row = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    return export


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `query` has the parameters of the URL, `body` the JSON of a POST."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Row = field(default_factory=dict)


@dataclass(slots=True)
class Response:
    """A reply; `data` is sent as JSON unless it is a str, which is HTML."""

    status: int
    data: object
    headers: dict[str, str] = field(default_factory=dict)


class GitHubServer:
    """Serve one repository until the `with` block ends.

    :param export: see the module; the server copies it
    :param port: 0 takes a free one
    :param web_url: the base of html_url; by default this server, which shows a plain page for each thread
    :param rate_limit: requests an hour
    """

    #: Reads requests and writes replies.
    handler: type[Handler]

    def __init__(
        self,
        export: Mapping[str, Any],
        *,
        port: int = 0,
        web_url: str | None = None,
        rate_limit: int = 5000,
    ) -> None:
        self.rate_limit = rate_limit
        self.requests: list[Request] = []
        self._threads: dict[int, Row] = {row["number"]: _copy(row) for row in export["issues"]}
        self._discussions: dict[int, Row] = {row["number"]: _copy(row) for row in export.get("discussions", ())}
        self._lock = threading.RLock()
        self._sorted: dict[str, list[tuple[str, int, Row]]] = {}
        self._http = Server(("127.0.0.1", port), self.handler)
        self._http.application = self
        self.api_url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.rows = RestRows(export["full_name"], self.api_url, web_url or self.api_url)
        self._routes = self._table_of_routes()

    @property
    def full_name(self) -> str:
        """The repository, as OWNER/NAME."""
        return self.rows.full_name

    @property
    def repository_id(self) -> int:
        """The repository's number."""
        return self.rows.repository_id

    def __enter__(self) -> Self:
        """Start serving."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="github", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close every connection."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    # Answering

    def answer(self, request: Request) -> Response:
        """Return the reply to a request; subclasses may override this."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/" or not self._is_api(request.path):
                return self._web_page(request.path)
            response = self._route(request)
        response.headers |= self._quota()
        if response.status == 200 and request.method == "GET":
            etag = (
                'W/"'
                + hashlib.sha256(json.dumps([response.data, response.headers.get("Link")]).encode()).hexdigest()
                + '"'
            )
            response.headers["ETag"] = etag
            if request.headers.get("if-none-match") == etag:
                return Response(304, None, response.headers)
        return response

    def _is_api(self, path: str) -> bool:
        return path.startswith(("/repos/", "/repositories/", "/graphql", "/rate_limit", "/api/"))

    def _quota(self) -> dict[str, str]:
        reset = int(datetime.now(UTC).timestamp()) // 3600 * 3600 + 3600
        used = len(self.requests)
        return {
            "X-RateLimit-Limit": str(self.rate_limit),
            "X-RateLimit-Remaining": str(max(0, self.rate_limit - used)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(reset),
            "X-RateLimit-Resource": "core",
        }

    def _table_of_routes(self) -> list[tuple[re.Pattern[str], Callable[[Request, int], Response]]]:
        return [
            (re.compile(pattern), answer)
            for pattern, answer in (
                (r"$", self._repository),
                (r"/issues$", lambda request, _: self._list(request, "issues")),
                (r"/issues/comments$", lambda request, _: self._list(request, "comments")),
                (r"/issues/(\d+)$", self._issue),
                (r"/issues/(\d+)/comments$", lambda request, number: self._thread_comments(request, number, False)),
                (r"/pulls/comments$", lambda request, _: self._list(request, "review_comments")),
                (r"/pulls/(\d+)/comments$", lambda request, number: self._thread_comments(request, number, True)),
            )
        ]

    def _route(self, request: Request) -> Response:
        path = re.sub(r"^/api/v3(?=/)|^/api(?=/graphql$)", "", request.path)
        if path == "/rate_limit":
            quota = {"limit": self.rate_limit, "remaining": max(0, self.rate_limit - len(self.requests))}
            quota |= {"used": len(self.requests), "reset": int(self._quota()["X-RateLimit-Reset"])}
            return Response(200, {"resources": {"core": quota, "search": quota, "graphql": quota}, "rate": quota})
        if path == "/graphql":
            return self._graphql(request)
        rest = self._below_repository(path)
        if isinstance(rest, Response):
            return rest
        for pattern, answer in self._routes:
            if match := pattern.match(rest):
                return answer(request, int(match[1]) if match.groups() else 0)
        return not_found()

    def _below_repository(self, path: str) -> str | Response:
        by_id = f"/repositories/{self.repository_id}"
        if path.startswith(by_id):
            return path.removeprefix(by_id)
        match = re.match(r"/repos/([^/]+/[^/]+)(.*)$", path)
        if match is None:
            return not_found()
        name, rest = match.groups()
        if name.lower() == self.full_name.lower():
            return rest
        return self._redirect(name, rest)

    def _redirect(self, name: str, rest: str) -> Response:
        """Redirect a request to a former name of the repository; the sample was never renamed."""
        del name, rest
        return not_found()

    # REST

    def _repository(self, _request: Request, _number: int) -> Response:
        row = self.rows.repository(self._threads.values(), has_discussions=bool(self._discussions))
        return Response(200, row)

    def _list(self, request: Request, what: str) -> Response:
        rows = self._by_update(what)
        since = request.query.get("since")
        if since:
            rows = rows[bisect.bisect_left(rows, (_normal(since),)) :]
        if request.query.get("sort", "created") != "updated":
            rows = sorted(rows, key=lambda row: (row[2]["created_at"], row[1]))
        state = request.query.get("state", "open")
        if what == "issues" and state != "all":
            rows = [row for row in rows if row[2]["state"] == state]
        # Without a sort, comments come in the order of their ids and `direction` is ignored; issues come newest first.
        by_default = "desc" if what == "issues" else "asc"
        if request.query.get("direction" if "sort" in request.query else "", by_default) != "asc":
            rows = rows[::-1]
        return self._page(request, what, [row for _, _, row in rows])

    def _by_update(self, what: str) -> list[tuple[str, int, Row]]:
        """Return rows as (updated_at, id, row); comments carry their thread as "thread"."""
        if what not in self._sorted:
            threads = self._threads.values()
            if what == "issues":
                found = [(row["updated_at"], row["number"], row) for row in threads]
            else:
                name = "comments_list" if what == "comments" else "review_comments_list"
                found = [
                    (comment["updated_at"], comment["id"], {**comment, "thread": row})
                    for row in threads
                    for comment in row.get(name, ())
                ]
            self._sorted[what] = sorted(found, key=lambda row: row[:2])
        return self._sorted[what]

    def _page(self, request: Request, what: str, rows: list[Row]) -> Response:
        size = min(100, max(1, int(request.query.get("per_page", 30))))
        page = max(1, int(request.query.get("page", 1)))
        last = max(1, -(-len(rows) // size))
        shape = {
            "issues": self.rows.issue,
            "comments": self.rows.comment,
            "review_comments": self.rows.review_comment,
        }[what]
        data = [shape(row) for row in rows[(page - 1) * size : page * size]]
        return Response(200, data, self._links(request, page, last))

    def _links(self, request: Request, page: int, last: int) -> dict[str, str]:
        relations: dict[str, int] = {}
        if page < last:
            relations |= {"next": page + 1, "last": last}
        if page > 1:
            relations |= {"prev": page - 1, "first": 1}
        links = [
            f'<{self.api_url}{request.path}?{urlencode({**request.query, "page": number})}>; rel="{name}"'
            for name, number in relations.items()
        ]
        return {"Link": ", ".join(links)} if links else {}

    def _issue(self, request: Request, number: int) -> Response:
        thread = self._threads.get(number)
        return Response(200, self.rows.issue(thread)) if thread else not_found()

    def _thread_comments(self, request: Request, number: int, review: bool) -> Response:
        thread = self._threads.get(number)
        if thread is None or (review and "pull_request" not in thread):
            return not_found()
        rows = [
            {**row, "thread": thread} for row in thread.get("review_comments_list" if review else "comments_list", ())
        ]
        since = _normal(request.query.get("since", ""))
        rows = [row for row in rows if row["updated_at"] >= since]
        return self._page(request, "review_comments" if review else "comments", rows)

    # GraphQL

    def _graphql(self, request: Request) -> Response:
        if "authorization" not in request.headers:
            return Response(
                401, {"message": "This endpoint requires you to be authenticated.", "documentation_url": DOCUMENTATION}
            )
        query, variables = request.body["query"], request.body.get("variables") or {}
        name = f"{variables.get('owner')}/{variables.get('name')}"
        if "owner" in variables and name.lower() != self.full_name.lower():
            message = f"Could not resolve to a Repository with the name '{name}'."
            error = {"type": "NOT_FOUND", "path": ["repository"], "message": message}
            return Response(200, {"data": {"repository": None}, "errors": [error]})
        pulls = sum("pull_request" in row for row in self._threads.values())
        discussions = Discussions(self._discussions.values(), self.rows.web)
        data = discussions.answer(query, variables, issues=len(self._threads) - pulls, pull_requests=pulls)
        return Response(200, {"data": data})

    def _web_page(self, path: str) -> Response:
        match = re.match(rf"/{re.escape(self.full_name)}/(?:issues|pull|discussions)/(\d+)$", path)
        number = int(match[1]) if match else 0
        thread = self._threads.get(number) or self._discussions.get(number)
        if thread is None:
            return Response(404, "<!doctype html><title>Not found</title><h1>Not found</h1>")
        return Response(200, thread_page(thread))


class Server(ThreadingHTTPServer):
    """An HTTP server for one application."""

    daemon_threads = True
    application: GitHubServer


class Handler(BaseHTTPRequestHandler):
    """Passes HTTP requests to `GitHubServer.answer`."""

    protocol_version = "HTTP/1.1"
    #: Headers and body are two writes; Nagle's algorithm would delay the second by 40 ms.
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer({})

    def do_POST(self) -> None:
        """Answer a POST of JSON."""
        length = int(self.headers.get("Content-Length", 0))
        self._answer(json.loads(self.rfile.read(length) or b"{}"))

    def _answer(self, body: Row) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.send(self.server.application.answer(request))

    def send(self, response: Response) -> None:
        """Write a response out."""
        text = isinstance(response.data, str)
        data = response.data if isinstance(response.data, str) else json.dumps(response.data)
        payload = b"" if response.status == 304 else data.encode()
        self.send_response(response.status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if text else "application/json; charset=utf-8")
        if response.status != 304:
            self.send_header("Content-Length", str(len(payload)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; `GitHubServer.requests` has the requests."""


GitHubServer.handler = Handler


def not_found() -> Response:
    return Response(404, {"message": "Not Found", "documentation_url": DOCUMENTATION, "status": "404"})


def _copy(row: Mapping[str, Any]) -> Row:
    copied: Row = json.loads(json.dumps(row))
    return copied


def _normal(time: str) -> str:
    """Return a time as GitHub writes it, whatever offset it came with."""
    if not time:
        return ""
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
