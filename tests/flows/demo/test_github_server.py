"""The replies of the loopback server and the requests of the client match GitHub's published schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, execute, parse, validate
from jsonschema import Draft202012Validator

from flows.demo import github_server
from rag.settings import GitHubConfig
from rag.sources import Changed, Checkpoint, Removed
from rag.sources.github import GitHubClient, GitHubSource
from rag.sources.github.client import Gone
from rag.sources.github.discussions import QUERIES
from rag.store.store import Store
from tests.servers.github import GitHubServer, Request, Response, load_export

FIXTURES = Path(__file__).parents[2] / "fixtures" / "github"
SAMPLE = Path(github_server.__file__).parent / "github.json"


class Recording(GitHubServer):
    """Records requests and replies."""

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        exchanges = self.__dict__.setdefault("exchanges", [])
        exchanges.append((request, Response(response.status, response.data, dict(response.headers))))
        return response


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return json.loads((FIXTURES / "github.openapi.json").read_text())


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((FIXTURES / "github.graphql").read_text())


@pytest.fixture
def server() -> Iterator[Recording]:
    export = load_export(SAMPLE)
    reviewed = next(row for row in export["issues"] if "pull_request" in row)
    reviewed.setdefault("review_comments_list", []).append(
        {
            "id": 77,
            "user": "ann",
            "body": "Name it.",
            "path": "rag/ask.py",
            "author_association": "MEMBER",
            "created_at": reviewed["created_at"],
            "updated_at": reviewed["updated_at"],
        }
    )
    with Recording(export) as server:
        yield server


def sync(store: Store, server: GitHubServer, *, full: bool = False, **fields: Any) -> None:
    config = GitHubConfig(
        name="it", repo="example/support-engine", include=("issues", "pulls", "discussions"), **fields
    )
    store.sources.register("it", "github")
    source = GitHubSource(config, store, token="any", api_url=server.api_url)
    for change in source.changes(full=full):
        with store.transaction() as transaction:
            if isinstance(change, Changed | Removed | Checkpoint) and change.record:
                change.record(transaction)


def operation(described: Mapping[str, Any], server: GitHubServer, path: str) -> Mapping[str, Any]:
    path = path.replace(f"/repositories/{server.repository_id}", "/repos/o/r")
    for template, found in described["paths"].items():
        if re.fullmatch(
            re.sub(r"\\\{\w+_number\\\}", r"\\d+", re.escape(template))
            .replace(r"\{owner\}", "[^/]+")
            .replace(r"\{repo\}", "[^/]+"),
            path,
        ):
            return found
    raise AssertionError(f"{path} is not in GitHub's published schema")


def problems(described: Mapping[str, Any], schema: Mapping[str, Any] | None, data: object) -> list[str]:
    if schema is None:
        return [] if data is None else ["a body where none is described"]
    validator = Draft202012Validator({**schema, "components": described["components"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(data)]


def test_every_rest_reply_matches_the_published_schema(
    store: Store, server: Recording, described: Mapping[str, Any]
) -> None:
    for _ in range(3):
        sync(store, server)
    server.delete_issue(43)
    server.rename("example/answers")
    sync(store, server, full=True)
    client = GitHubClient(token=None, api_url=server.api_url)
    for path in ("/issues/44", "/issues/44/comments", "/pulls/44/comments", "/issues/comments"):
        client.get(f"/repos/example/answers{path}", {"per_page": 100})
    client.get("/rate_limit")
    with pytest.raises(Gone):
        client.get("/repos/example/answers/issues/43")
    client.close()

    seen = set()
    for request, response in server.exchanges:
        if request.path == "/graphql":
            continue
        allowed = {"304": None, **operation(described, server, request.path)["responses"]}
        assert str(response.status) in allowed, (request.path, response.status)
        assert problems(described, allowed[str(response.status)], response.data) == [], request.path
        seen.add((response.status, request.path.rpartition("/")[2]))
    assert {200, 301, 304, 404} <= {status for status, _ in seen}


def test_the_client_sends_only_documented_requests(
    store: Store, server: Recording, described: Mapping[str, Any]
) -> None:
    sync(store, server)
    sync(store, server, full=True, since="2026-03-01T00:00:00Z")
    asked = 0
    for request, _ in server.exchanges:
        if request.path == "/graphql":
            continue
        known = {
            part["name"]: part["schema"]
            for part in operation(described, server, request.path)["parameters"]
            if part["in"] == "query"
        }
        for name, value in request.query.items():
            typed = int(value) if known[name].get("type") == "integer" else value
            assert problems(described, known[name], typed) == [], (request.path, name)
            asked += 1
        assert int(request.query.get("per_page", 100)) == 100
    assert asked > 10


def test_graphql_queries_and_replies_fit_the_published_schema(
    store: Store, server: Recording, schema: GraphQLSchema
) -> None:
    for query in QUERIES:
        assert validate(schema, parse(query)) == []
    sync(store, server)
    replies = [(request, response) for request, response in server.exchanges if request.path == "/graphql"]
    for request, response in replies:
        reply: Any = response.data
        # A reference implementation that serves the reply returns it unchanged: each value has the right type.
        result = execute(
            schema,
            parse(request.body["query"]),
            root_value=reply["data"],
            variable_values=request.body["variables"],
            type_resolver=lambda value, *_: value["__typename"],
        )
        assert result.errors is None
        assert result.data == reply["data"]
    assert replies


@pytest.mark.parametrize(
    ("setting", "status"),
    [
        (lambda server: setattr(server, "tokens", ("right",)), 401),
        (lambda server: setattr(server, "has_issues", False), 410),
    ],
)
def test_error_replies_have_the_shape_of_github_s_errors(
    server: Recording, described: Mapping[str, Any], setting: Callable[[Recording], None], status: int
) -> None:
    setting(server)
    request = Request("GET", "/repos/example/support-engine/issues", {}, {"authorization": "token wrong"})
    response = server.answer(request)
    assert response.status == status
    assert problems(described, {"$ref": "#/components/schemas/basic-error"}, response.data) == []
