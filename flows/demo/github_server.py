"""A loopback server in the shape of GitHub: REST for issues and pull requests, GraphQL for discussions.

    with GitHubServer(export) as server:
        source = GitHubSource(config, store, token=None, api_url=server.api_url)

The demo reads its issues from it, and so do the tests, through the same client as from GitHub itself. An export is a
dict {"full_name", "issues": [...], "discussions": [...]} whose rows have the names of GitHub's REST API, users and
labels as plain strings, pull requests with "pull_request", and comments inside as "comments_list" and
"review_comments_list". A discussion has "category", "answer" (the id of a comment), and comments with "replies".
"""

from __future__ import annotations

import bisect
import gzip
import hashlib
import html
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from flows.demo.github_graphql import Connection, GraphQLError, execute

__all__ = ["GitHubServer", "Handler", "Request", "Response", "load_export"]

Row = dict[str, Any]


def load_export(path: Path) -> Row:
    """Read an export, gzipped or not."""
    data = path.read_bytes()
    export: Row = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    return export


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: `query` holds the URL's parameters, `body` the JSON of a POST."""

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

    :param export: see the module; it is copied, and can be changed by the methods while the server runs
    :param port: 0 takes a free one
    :param tokens: if given, any other token gets a 401, and none at all a 404, as a private repository does
    :param web_url: where html_url points to; by default this server, which shows a plain page for each thread
    :param rate_limit: requests an hour
    """

    #: reads requests and writes replies
    handler: type[Handler]

    def __init__(
        self,
        export: Mapping[str, Any],
        *,
        port: int = 0,
        tokens: tuple[str, ...] = (),
        web_url: str | None = None,
        rate_limit: int = 5000,
    ) -> None:
        self.full_name: str = export["full_name"]
        self.renamed_from: set[str] = set()
        self.repository_id = _id(self.full_name)
        self.has_issues = True
        self.tokens = tokens
        self.rate_limit = rate_limit
        self.requests: list[Request] = []
        self._threads: dict[int, Row] = {row["number"]: _copy(row) for row in export["issues"]}
        self._discussions: dict[int, Row] = {row["number"]: _copy(row) for row in export.get("discussions", ())}
        self._moved: dict[int, Row] = {}
        self._lock = threading.RLock()
        self._sorted: dict[str, list[tuple[str, int, Row]]] = {}
        self._http = Server(("127.0.0.1", port), self.handler)
        self._http.application = self
        self.api_url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.web_url = web_url or self.api_url
        self._routes = self._table_of_routes()

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

    # Changing the data

    def add_issue(self, title: str, body: str = "", *, at: str | None = None, **fields: object) -> int:
        """Open an issue, or a pull request where `pull_request={}` is given; return its number."""
        with self._changing():
            number = max((*self._threads, *self._discussions), default=0) + 1
            at = at or _now()
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
            self._threads[number] |= {**fields, "updated_at": at or _now()}

    def delete_issue(self, number: int) -> None:
        """Delete an issue with its comments."""
        with self._changing():
            del self._threads[number]

    def transfer_issue(self, number: int, full_name: str) -> None:
        """Move an issue to another repository, which this server does not have; its old address redirects there."""
        with self._changing():
            self._moved[number] = {**self._threads.pop(number), "full_name": full_name}

    def convert_issue(self, number: int, *, category: str = "Q&A", at: str | None = None) -> int:
        """Turn an issue into a discussion; return that one's number."""
        with self._changing():
            new = max((*self._threads, *self._discussions)) + 1
            row = self._threads.pop(number)
            self._discussions[new] = {**row, "number": new, "category": category, "updated_at": at or _now()}
            return int(new)

    def add_comment(
        self, number: int, body: str, *, at: str | None = None, review: bool = False, **fields: object
    ) -> int:
        """Comment on an issue or pull request, with `review` on a line of the latter; return the comment's id."""
        with self._changing():
            at = at or _now()
            thread = self._threads[number]
            present = [row["id"] for row in self._comments_of(thread)]
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
            at = at or _now()
            thread = self._threads[number]
            comment = next(row for row in self._comments_of(thread) if row["id"] == comment_id)
            comment |= {"body": body, "updated_at": at}
            thread["updated_at"] = max(at, thread["updated_at"])

    def delete_comment(self, number: int, comment_id: int, *, at: str | None = None) -> None:
        """Delete a comment."""
        with self._changing():
            thread = self._threads[number]
            for name in ("comments_list", "review_comments_list"):
                thread[name] = [row for row in thread.get(name, ()) if row["id"] != comment_id]
            thread["updated_at"] = max(at or _now(), thread["updated_at"])

    def edit_discussion(self, number: int, *, at: str | None = None, **fields: object) -> None:
        """Change fields of a discussion."""
        with self._changing():
            self._discussions[number] |= {**fields, "updated_at": at or _now()}

    def delete_discussion(self, number: int) -> None:
        """Delete a discussion."""
        with self._changing():
            del self._discussions[number]

    def rename(self, full_name: str) -> None:
        """Give the repository another name; the old one redirects."""
        with self._changing():
            self.renamed_from.add(self.full_name)
            self.full_name = full_name

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            self._sorted.clear()

    @staticmethod
    def _comments_of(thread: Row) -> list[Row]:
        return [*thread.get("comments_list", ()), *thread.get("review_comments_list", ())]

    # Answering

    def answer(self, request: Request) -> Response:
        """Return the reply to a request. A subclass makes faults by overriding this."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/" or not self._is_api(request.path):
                return self._web_page(request.path)
            if (refused := self._refused(request)) is not None:
                return refused
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

    def _refused(self, request: Request) -> Response | None:
        authorization = request.headers.get("authorization", "")
        token = authorization.split(" ")[-1]
        if self.tokens and token and token not in self.tokens:
            return Response(401, {"message": "Bad credentials", "documentation_url": _DOCS, "status": "401"})
        if self.tokens and not token:
            return _not_found()
        return None

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
        return _not_found()

    def _below_repository(self, path: str) -> str | Response:
        by_id = f"/repositories/{self.repository_id}"
        if path.startswith(by_id):
            return path.removeprefix(by_id)
        match = re.match(r"/repos/([^/]+/[^/]+)(.*)$", path)
        if match is None:
            return _not_found()
        name, rest = match.groups()
        if name.lower() == self.full_name.lower():
            return rest
        transferred = next((row for row in self._moved.values() if row["full_name"] == name), None)
        if transferred and rest == f"/issues/{transferred['number']}":
            row = self._issue_row(transferred)
            return Response(200, json.loads(json.dumps(row).replace(f"/repos/{self.full_name}", f"/repos/{name}")))
        if name in self.renamed_from:
            url = f"{self.api_url}{by_id}{rest}"
            return Response(301, {"message": "Moved Permanently", "url": url}, {"Location": url})
        return _not_found()

    # REST

    def _repository(self, request: Request, _: int) -> Response:
        owner, name = self.full_name.split("/")
        url = f"{self.api_url}/repos/{self.full_name}"
        web = f"{self.web_url}/{self.full_name}"
        threads = self._threads.values()
        open_threads = sum(row["state"] == "open" for row in threads)
        updated = max([row["updated_at"] for row in threads], default=_now())
        return Response(
            200,
            {
                **{f"{what}_url": url + below for what, below in _BELOW_A_REPOSITORY.items()},
                **dict.fromkeys(_COUNTS, 0),
                "id": self.repository_id,
                "node_id": f"R_{self.repository_id}",
                "name": name,
                "full_name": self.full_name,
                "private": bool(self.tokens),
                "owner": self._user(owner, kind="Organization"),
                "html_url": web,
                "clone_url": f"{web}.git",
                "svn_url": web,
                "git_url": f"git://127.0.0.1/{self.full_name}.git",
                "ssh_url": f"git@127.0.0.1:{self.full_name}.git",
                "mirror_url": None,
                "homepage": None,
                "description": None,
                "language": None,
                "license": None,
                "fork": False,
                "url": url,
                "has_issues": self.has_issues,
                "has_discussions": bool(self._discussions),
                "has_pages": False,
                "has_projects": False,
                "has_wiki": False,
                "archived": False,
                "disabled": False,
                "visibility": "private" if self.tokens else "public",
                "default_branch": "main",
                "open_issues": open_threads,
                "open_issues_count": open_threads,
                "created_at": min([row["created_at"] for row in threads], default=_now()),
                "updated_at": updated,
                "pushed_at": updated,
            },
        )

    def _list(self, request: Request, what: str) -> Response:
        if what == "issues" and not self.has_issues:
            return Response(410, {"message": "Issues are disabled for this repo", "documentation_url": _DOCS})
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
            "issues": self._issue_row,
            "comments": self._comment_row,
            "review_comments": self._review_comment_row,
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
        if moved := self._moved.get(number):
            url = f"{self.api_url}/repos/{moved['full_name']}/issues/{number}"
            return Response(301, {"message": "Moved Permanently", "url": url}, {"Location": url})
        thread = self._threads.get(number)
        return Response(200, self._issue_row(thread)) if thread else _not_found()

    def _thread_comments(self, request: Request, number: int, review: bool) -> Response:
        thread = self._threads.get(number)
        if thread is None or (review and "pull_request" not in thread):
            return _not_found()
        rows = [
            {**row, "thread": thread} for row in thread.get("review_comments_list" if review else "comments_list", ())
        ]
        since = _normal(request.query.get("since", ""))
        rows = [row for row in rows if row["updated_at"] >= since]
        return self._page(request, "review_comments" if review else "comments", rows)

    # Rows in GitHub's shape

    def _issue_row(self, row: Row) -> Row:
        number = row["number"]
        url = f"{self.api_url}/repos/{self.full_name}/issues/{number}"
        issue = {
            "id": _id(f"{self.repository_id}#{number}"),
            "node_id": f"I_{number}",
            "url": url,
            "repository_url": f"{self.api_url}/repos/{self.full_name}",
            "labels_url": url + "/labels{/name}",
            "comments_url": url + "/comments",
            "events_url": url + "/events",
            "html_url": self._web(row),
            "number": number,
            "state": row["state"],
            "state_reason": row.get("state_reason"),
            "title": row["title"],
            "body": row["body"],
            "user": self._user(row.get("user")),
            "labels": [self._label(name) for name in row.get("labels", ())],
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "locked": False,
            "active_lock_reason": None,
            "comments": len(row.get("comments_list", ())),
            "closed_at": row.get("closed_at"),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "author_association": row.get("author_association", "NONE"),
            "reactions": self._reactions(url, row),
            "timeline_url": url + "/timeline",
            "performed_via_github_app": None,
        }
        if "pull_request" in row:
            issue["pull_request"] = {
                "url": f"{self.api_url}/repos/{self.full_name}/pulls/{number}",
                "html_url": self._web(row),
                "diff_url": self._web(row) + ".diff",
                "patch_url": self._web(row) + ".patch",
                "merged_at": row["pull_request"].get("merged_at"),
            }
        return issue

    def _comment_row(self, row: Row) -> Row:
        thread = row["thread"]
        url = f"{self.api_url}/repos/{self.full_name}/issues/comments/{row['id']}"
        return {
            "id": row["id"],
            "node_id": f"IC_{row['id']}",
            "url": url,
            "html_url": f"{self._web(thread)}#issuecomment-{row['id']}",
            "issue_url": f"{self.api_url}/repos/{self.full_name}/issues/{thread['number']}",
            "body": row["body"],
            "user": self._user(row.get("user")),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "author_association": row.get("author_association", "NONE"),
            "reactions": self._reactions(url, row),
            "performed_via_github_app": None,
        }

    def _review_comment_row(self, row: Row) -> Row:
        thread = row["thread"]
        url = f"{self.api_url}/repos/{self.full_name}/pulls/comments/{row['id']}"
        pull_url = f"{self.api_url}/repos/{self.full_name}/pulls/{thread['number']}"
        web = f"{self._web(thread)}#discussion_r{row['id']}"
        comment = {
            **self._comment_row(row),
            "node_id": f"PRRC_{row['id']}",
            "url": url,
            "html_url": web,
            "pull_request_url": pull_url,
            "pull_request_review_id": row.get("pull_request_review_id"),
            "path": row.get("path", "README.md"),
            "diff_hunk": row.get("diff_hunk", "@@ -1 +1 @@"),
            "commit_id": "0" * 40,
            "original_commit_id": "0" * 40,
            "subject_type": "line",
            "reactions": self._reactions(url, row),
            "_links": {"self": {"href": url}, "html": {"href": web}, "pull_request": {"href": pull_url}},
        }
        if "in_reply_to_id" in row:
            comment["in_reply_to_id"] = row["in_reply_to_id"]
        return {key: value for key, value in comment.items() if key not in ("issue_url", "performed_via_github_app")}

    def _user(self, login: str | None, kind: str = "User") -> Row | None:
        if login is None:
            return None
        bot = login.endswith("[bot]")
        user_id = _id(login)
        url = f"{self.api_url}/users/{login}"
        return {
            "login": login,
            "id": user_id,
            "node_id": f"U_{user_id}",
            "avatar_url": f"{self.web_url}/avatars/{user_id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web_url}/{login}",
            "followers_url": url + "/followers",
            "following_url": url + "/following{/other_user}",
            "gists_url": url + "/gists{/gist_id}",
            "starred_url": url + "/starred{/owner}{/repo}",
            "subscriptions_url": url + "/subscriptions",
            "organizations_url": url + "/orgs",
            "repos_url": url + "/repos",
            "events_url": url + "/events{/privacy}",
            "received_events_url": url + "/received_events",
            "type": "Bot" if bot else kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def _label(self, name: str) -> Row:
        return {
            "id": _id(name),
            "node_id": f"LA_{_id(name)}",
            "url": f"{self.api_url}/repos/{self.full_name}/labels/{name}",
            "name": name,
            "color": "ededed",
            "default": False,
            "description": None,
        }

    def _reactions(self, url: str, row: Row) -> Row:
        kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
        counts = {kind: row.get("reactions", {}).get(kind, 0) for kind in kinds}
        return {"url": url + "/reactions", "total_count": sum(counts.values()), **counts}

    def _web(self, thread: Row) -> str:
        folder = "pull" if "pull_request" in thread else "discussions" if "category" in thread else "issues"
        return f"{self.web_url}/{self.full_name}/{folder}/{thread['number']}"

    # GraphQL

    def _graphql(self, request: Request) -> Response:
        if "authorization" not in request.headers:
            return Response(
                401, {"message": "This endpoint requires you to be authenticated.", "documentation_url": _DOCS}
            )
        root = {"__typename": "Query", "repository": self._graph_repository, "node": self._graph_node}
        try:
            data = execute(request.body["query"], request.body.get("variables") or {}, root)
        except GraphQLError as error:
            return Response(200, {"data": None, "errors": [{"message": str(error), "type": "undefinedField"}]})
        except LookupError as error:
            message = {"type": "NOT_FOUND", "path": ["repository"], "message": str(error.args[0])}
            return Response(200, {"data": {"repository": None}, "errors": [message]})
        return Response(200, {"data": data})

    def _graph_repository(self, owner: str, name: str) -> Row:
        if f"{owner}/{name}".lower() != self.full_name.lower():
            raise LookupError(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        issues = [{"__typename": "Issue"} for row in self._threads.values() if "pull_request" not in row]
        pulls = [{"__typename": "PullRequest"} for row in self._threads.values() if "pull_request" in row]
        return {
            "__typename": "Repository",
            "nameWithOwner": self.full_name,
            "hasDiscussionsEnabled": bool(self._discussions),
            "issues": Connection(issues),
            "pullRequests": Connection(pulls),
            "discussions": self._graph_discussions,
        }

    def _graph_discussions(
        self,
        first: int,
        after: str | None = None,
        orderBy: Mapping[str, str] | None = None,  # noqa: N803 - GitHub's name
    ) -> Connection:
        order = orderBy or {"field": "CREATED_AT", "direction": "DESC"}
        key = {"UPDATED_AT": "updated_at", "CREATED_AT": "created_at"}[order["field"]]
        rows = sorted(self._discussions.values(), key=lambda row: (row[key], row["number"]))
        if order["direction"] == "DESC":
            rows.reverse()
        return Connection([self._graph_discussion(row) for row in rows])

    def _graph_node(self, id: str) -> Row | None:
        for row in self._discussions.values():
            if f"D_{row['number']}" == id:
                return self._graph_discussion(row)
            for comment in row["comments_list"]:
                if f"DC_{comment['id']}" == id:
                    return self._graph_comment(row, comment)
        return None

    def _graph_discussion(self, row: Row) -> Row:
        comments = [self._graph_comment(row, comment) for comment in row["comments_list"]]
        every = [*comments, *(reply for comment in comments for reply in comment["replies"].nodes)]
        answer = next((comment for comment in every if comment["databaseId"] == row.get("answer")), None)
        return {
            "__typename": "Discussion",
            "id": f"D_{row['number']}",
            "databaseId": row["number"],
            "number": row["number"],
            "title": row["title"],
            "url": self._web(row),
            "closed": row.get("state", "open") == "closed",
            "closedAt": row.get("closed_at"),
            "stateReason": row.get("state_reason"),
            "category": {"__typename": "DiscussionCategory", "name": row["category"]},
            "answer": answer,
            "answerChosenAt": row["updated_at"] if answer else None,
            "labels": Connection([{"__typename": "Label", "name": name} for name in row.get("labels", ())]),
            "comments": Connection(comments),
            **self._graph_common(row),
        }

    def _graph_comment(self, discussion: Row, row: Row) -> Row:
        replies = [self._graph_comment(discussion, reply) for reply in row.get("replies", ())]
        return {
            "__typename": "DiscussionComment",
            "id": f"DC_{row['id']}",
            "databaseId": row["id"],
            "url": f"{self._web(discussion)}#discussioncomment-{row['id']}",
            "isAnswer": row["id"] == discussion.get("answer"),
            "replies": Connection(replies),
            **self._graph_common(row),
        }

    def _graph_common(self, row: Row) -> Row:
        login = row.get("user")
        kind = "Bot" if str(login).endswith("[bot]") else "User"
        return {
            "body": row["body"],
            "author": {"__typename": kind, "login": login.removesuffix("[bot]")} if login else None,
            "authorAssociation": row.get("author_association", "NONE"),
            "createdAt": row["created_at"],
            "updatedAt": row["updated_at"],
            "reactions": {"__typename": "ReactionConnection", "totalCount": sum(row.get("reactions", {}).values())},
        }

    # Pages for people

    def _web_page(self, path: str) -> Response:
        match = re.match(rf"/{re.escape(self.full_name)}/(?:issues|pull|discussions)/(\d+)$", path)
        number = int(match[1]) if match else 0
        thread = self._threads.get(number) or self._discussions.get(number)
        if thread is None:
            return Response(404, "<!doctype html><title>Not found</title><h1>Not found</h1>")
        parts = [f"<h1>{html.escape(thread['title'])} <small>#{number}</small></h1>", _shown(thread, "")]
        for comment in self._comments_of(thread):
            prefix = "discussioncomment-" if "category" in thread else "issuecomment-"
            prefix = "discussion_r" if comment in thread.get("review_comments_list", ()) else prefix
            parts.append(_shown(comment, prefix))
            parts.extend(_shown(reply, prefix) for reply in comment.get("replies", ()))
        title = html.escape(thread["title"])
        return Response(200, f"<!doctype html><meta charset=utf-8><title>{title}</title>{_STYLE}{''.join(parts)}")


_DOCS = "https://docs.github.com/rest"
#: What a repository's row links to.
_BELOW_A_REPOSITORY = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "contributors": "/contributors",
    "deployments": "/deployments",
    "downloads": "/downloads",
    "events": "/events",
    "forks": "/forks",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "languages": "/languages",
    "merges": "/merges",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "stargazers": "/stargazers",
    "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers",
    "subscription": "/subscription",
    "tags": "/tags",
    "teams": "/teams",
    "trees": "/git/trees{/sha}",
}
_COUNTS = (
    *("forks", "forks_count", "network_count", "size", "stargazers_count", "subscribers_count"),
    *("watchers", "watchers_count"),
)
_STYLE = "<style>body{font:16px sans-serif;max-width:50rem;margin:2rem auto}pre{white-space:pre-wrap}</style>"


class Server(ThreadingHTTPServer):
    """An HTTP server that knows what it serves."""

    daemon_threads = True
    application: GitHubServer


class Handler(BaseHTTPRequestHandler):
    """HTTP on one side, `GitHubServer.answer` on the other."""

    protocol_version = "HTTP/1.1"
    #: headers and body go out in two writes, which Nagle's algorithm would hold apart for 40 ms
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
        """Say nothing: requests are counted instead."""


GitHubServer.handler = Handler


def _not_found() -> Response:
    return Response(404, {"message": "Not Found", "documentation_url": _DOCS, "status": "404"})


def _id(text: str) -> int:
    return zlib.crc32(text.encode())


def _copy(row: Mapping[str, Any]) -> Row:
    copied: Row = json.loads(json.dumps(row))
    return copied


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _normal(time: str) -> str:
    """Return a time as GitHub writes it, whatever offset it came with."""
    if not time:
        return ""
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(row: Row, prefix: str) -> str:
    anchor = f' id="{prefix}{row["id"]}"' if prefix else ""
    who = html.escape(row.get("user") or "ghost")
    body = html.escape(row["body"] or "")
    return f"<hr><section{anchor}><b>{who}</b> on {row['created_at'][:10]}<pre>{body}</pre></section>"
