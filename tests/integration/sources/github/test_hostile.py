"""Replies that GitHub gives now and then: large listings, parts left out, pages that take too long, odd bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from rag.errors import SourceError, SourceUnavailable, Unstorable
from rag.sources import Changed, Failed
from rag.sources.github import GitHubSource
from rag.store.store import Store
from tests.integration.sources.github.test_sync import FEW_RETRIES, SAMPLE, Site, export
from tests.servers.github import FaultyGitHubServer, Request, Response, load_export

#: the issues and pull requests of the sample
WHOLE = 16

Hook = Callable[[Request, Response], Response | None]


class HostileServer(FaultyGitHubServer):
    """A server whose replies a hook may replace; None lets the reply as it is.

    :param last_page: a higher page is refused, and the Link header has cursors, as of a large listing
    """

    def __init__(self, *arguments: Any, last_page: int | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.hook: Hook = lambda _request, _response: None
        self.last_page = last_page

    def _route(self, request: Request) -> Response:
        response = super()._route(request)
        return self.hook(request, response) or response

    def _page(self, request: Request, what: str, rows: list[Any]) -> Response:
        size = int(request.query.get("per_page", 30))
        if self.last_page is None or len(rows) <= self.last_page * size:
            return super()._page(request, what, rows)
        if int(request.query.get("page", 1)) > self.last_page and "after" not in request.query:
            message = "Pagination with the page parameter is not supported for large datasets, please use cursor based "
            return Response(422, {"message": message + "pagination (after/before)"})
        start = int(request.query.get("after") or (int(request.query.get("page", 1)) - 1) * size)
        response = super()._page(
            replace(request, query={**request.query, "page": "1"}), what, rows[start : start + size]
        )
        response.headers.pop("Link", None)
        if start + size < len(rows):
            query = {**request.query, "page": start // size + 2, "after": start + size}
            response.headers["Link"] = f'<{self.api_url}{request.path}?{urlencode(query)}>; rel="next"'
        return response


class HostileSite(Site):
    """A site whose sync takes the failures apart, and whose pages beyond `last_page` are refused."""

    last_page = 2

    def sync(self, *, full: bool = False, die_after: int | None = None) -> dict[str, Any]:
        options = {"token": self.token, "api_url": self.server.api_url, "retry": self.retry}
        source = GitHubSource(self.config, self.store, last_page=self.last_page, **options)
        self.failures: list[Failed] = []
        came = {}
        for change in source.changes(full=full):
            try:
                self.commit(change)
            except Unstorable as error:
                self.failures.append(Failed("", str(error)))
                continue
            if isinstance(change, Failed):
                self.failures.append(change)
            elif isinstance(change, Changed):
                came[change.document.id_] = change.document
        self.requests = source.requests
        return came


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(load_export(SAMPLE)) as server:
        yield server


@pytest.fixture
def site(store: Store, server: HostileServer) -> HostileSite:
    return HostileSite(store, server, include=("issues", "pulls", "discussions"))


# Large listings


@pytest.mark.parametrize("gone", [[5], [640], [5, 150, 640]], ids=["among the oldest", "among the newest", "both"])
def test_deletions_of_a_large_repository_are_found_without_high_page_numbers(store: Store, gone: list[int]) -> None:
    with HostileServer(export(issues=650), last_page=2) as server:
        site = HostileSite(store, server)
        site.sync()
        for number in gone:
            server.delete_issue(number)

        site.sync()

        assert site.index.keys() == {f"it:issue:{number}" for number in server.numbers} or len(site.index) == 650 - len(
            gone
        )
        assert all(int(request.query.get("page", 1)) <= 2 for request in server.requests)
        assert site.sync() == {}


def test_deletions_in_the_middle_of_a_large_repository_are_found_by_the_count(store: Store) -> None:
    with HostileServer(export(issues=650), last_page=2) as server:
        site = HostileSite(store, server, include=("issues", "discussions"))
        site.token = "any"
        site.sync()
        server.delete_issue(325)

        site.sync()

        assert len(site.index) == 649


def test_threads_of_one_second_fill_more_pages_than_have_numbers(store: Store) -> None:
    with HostileServer(export(issues=450, at="2026-01-01T00:00:00Z"), last_page=2) as server:
        site = HostileSite(store, server)
        assert len(site.sync()) == 450


# Discussions


def _forbidden(request: Request, response: Response) -> Response | None:
    if request.path != "/graphql":
        return None
    error = {"type": "FORBIDDEN", "path": ["repository", "discussions"], "message": "Resource not accessible by token"}
    return Response(200, {"data": {"repository": {"discussions": None}}, "errors": [error]})


def _no_data(message: str) -> Hook:
    def reply(request: Request, response: Response) -> Response | None:
        return Response(200, {"data": None, "errors": [{"message": message}]}) if request.path == "/graphql" else None

    return reply


@pytest.mark.parametrize(
    "hook",
    [
        _forbidden,
        _no_data("We couldn't respond to your request in time. Sorry about that."),
        _no_data("Resource not accessible by personal access token"),
        lambda request, _: Response(200, {"data": None, "errors": "boom"}) if request.path == "/graphql" else None,
        lambda request, _: Response(200, {"errors": [None, 7]}) if request.path == "/graphql" else None,
        lambda request, _: Response(200, {"data": {"repository": None}}) if request.path == "/graphql" else None,
        lambda request, _: Response(200, []) if request.path == "/graphql" else None,
        lambda request, _: Response(403, {"message": "Forbidden"}) if request.path == "/graphql" else None,
    ],
)
def test_issues_are_read_although_discussions_cannot_be(
    site: HostileSite, server: HostileServer, caplog: pytest.LogCaptureFixture, hook: Hook
) -> None:
    site.token = "any"
    site.sync()
    before = site.index
    server.hook = hook
    new = server.add_issue("Another issue")

    came = site.sync(full=True)

    assert f"it:issue:{new}" in came or any(name.endswith(f"{new}") for name in came)
    assert site.index.keys() > before.keys(), "the discussions stay"
    assert "discussions" in caplog.text
    assert site.failures == []


def test_a_source_of_discussions_alone_fails_with_the_reason(store: Store, server: HostileServer) -> None:
    site = HostileSite(store, server, include=("discussions",))
    site.token, server.hook = "any", _no_data("Resource not accessible by personal access token")
    with pytest.raises(SourceError, match="Resource not accessible by personal access token"):
        site.sync()


def _without(spoil: Callable[[list[Any]], None]) -> Hook:
    def reply(request: Request, response: Response) -> Response | None:
        if request.path == "/graphql":
            found = response.data["data"]["repository"]["discussions"]  # type: ignore[index]
            spoil(found["nodes"])
            response.data["errors"] = [{"type": "FORBIDDEN", "message": "a field is missing"}]  # type: ignore[index]
        return None

    return reply


def _nothing_in(field: str) -> Callable[[list[Any]], None]:
    def spoil(nodes: list[Any]) -> None:
        nodes[0] = {**nodes[0], field: None}

    return spoil


@pytest.mark.parametrize("field", ["author", "category", "answer", "labels", "comments", "reactions", "body"])
def test_a_discussion_is_read_without_a_field_that_is_forbidden(
    site: HostileSite, server: HostileServer, field: str
) -> None:
    site.token = "any"
    whole = len(site.sync())
    server.hook = _without(_nothing_in(field))
    assert site.sync(full=True) is not None
    assert len(site.index) == whole
    assert site.failures == []


def test_a_null_discussion_is_left_out_and_the_others_are_read(
    site: HostileSite, server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    site.token = "any"
    server.hook = _without(lambda nodes: nodes.insert(0, None))
    assert any("discussion" in name for name in site.sync())
    assert "leaves out 1 of" in caplog.text


# Pages that take too long


@pytest.mark.parametrize("status", [502, 504])
def test_a_page_that_takes_too_long_is_asked_for_in_smaller_ones(store: Store, status: int) -> None:
    def slow(request: Request, _response: Response) -> Response | None:
        size = int(request.body.get("variables", {}).get("first", request.query.get("per_page", 1)))
        return Response(status, "<html>Unicorn!</html>") if size > 5 and "page" not in request.query else None

    with HostileServer(load_export(SAMPLE)) as server:
        site = HostileSite(store, server, include=("issues", "pulls", "discussions"))
        site.token, server.hook = "any", slow
        came = site.sync()

    assert any("discussion" in name for name in came)
    assert len(came) > 15
    assert site.failures == []


# Listings that are missing


@pytest.mark.parametrize("status", [404, 451])
@pytest.mark.parametrize("what", ["/issues", "/issues/comments", "/pulls/comments"])
def test_a_listing_that_is_missing_empties_no_source(
    site: HostileSite, server: HostileServer, status: int, what: str
) -> None:
    site.sync()
    before = site.index

    def missing(request: Request, _response: Response) -> Response | None:
        return (
            Response(status, {"message": "Not Found"})
            if request.path.endswith(f"/r{what}")
            or (request.path.endswith(what) and what.count("/") > 1)
            or request.path == f"/repos/{server.full_name}{what}"
            else None
        )

    server.hook = missing
    site.sync(full=True)

    assert site.index == before
    assert "missing" in site.failures[0].error


# Odd rows and bodies


def _rows(request: Request, response: Response) -> list[Any] | None:
    is_list = request.path.endswith("/issues") and isinstance(response.data, list)
    return response.data if is_list else None  # type: ignore[return-value]


@pytest.mark.parametrize("odd", [None, 7, [], {}, {"id": 1}, {"id": 1, "updated_at": "soon"}])
def test_what_is_no_row_is_left_out(site: HostileSite, server: HostileServer, odd: Any) -> None:
    def spoil(request: Request, response: Response) -> None:
        if (rows := _rows(request, response)) is not None:
            rows.append(odd)

    server.hook = spoil
    assert len(site.sync()) == WHOLE


@pytest.mark.parametrize(
    "fields",
    [{"title": None, "body": 7}, {"user": "ann"}, {"labels": 5}, {"number": 2**40}, {"html_url": None}],
)
def test_a_row_that_cannot_be_read_or_stored_is_named_and_read_again_by_the_next_sync(
    site: HostileSite, server: HostileServer, fields: dict[str, Any]
) -> None:
    spoiled = True

    def spoil(request: Request, response: Response) -> None:
        rows = _rows(request, response)
        if rows and spoiled:
            rows[3] |= fields

    server.hook = spoil
    came = site.sync()

    assert len(came) + len(site.failures) == WHOLE
    if site.failures:
        assert len(came) == WHOLE - 1
        spoiled = False
        if "number" not in fields:
            assert len(site.sync()) == 1
            assert site.sync() == {}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Response(202, {}), "too many 202 error responses"),
        (Response(200, "<html>"), "does not answer like GitHub's API"),
        (Response(200, "[" * 100_000), "cannot be read"),
        (Response(200, {"message": "hello"}), "without its name"),
        (Response(200, []), "without its name"),
        (Response(403, {"message": "slow down"}, {"Retry-After": "²", "X-RateLimit-Remaining": "²"}), "slow down"),
        (Response(403, {"message": 7, "errors": "boom"}), "7"),
        (
            Response(403, {"message": "rate limit"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 30}),
            "rate limit is used up until",
        ),
        (Response(429, {"message": "x"}, {"Retry-After": "9" * 30}), "rate limit is used up until"),
    ],
)
def test_an_odd_reply_is_an_error_in_a_sentence(
    site: HostileSite, server: HostileServer, reply: Response, said: str
) -> None:
    server.hook = lambda _request, _response: reply
    with pytest.raises((SourceError, SourceUnavailable), match=said) as error:
        site.sync()
    assert "\n" not in str(error.value)


def test_headers_that_are_no_numbers_are_ignored(site: HostileSite, server: HostileServer) -> None:
    def spoil(_request: Request, response: Response) -> None:
        response.headers |= {"X-RateLimit-Remaining": "²", "X-RateLimit-Limit": "many", "X-RateLimit-Reset": "soon"}

    server.hook = spoil
    site.retry = FEW_RETRIES
    assert len(site.sync()) == WHOLE
