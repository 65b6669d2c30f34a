"""Who may ask what: keys, the public, hosts, other sites' pages, and how often."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rag.engine import Engine
from tests.integration.conftest import OpenEngine
from tests.servers.web import served

#: an id that no answer has
NO_ANSWER = "00000000-0000-4000-8000-000000000000"
ASK = ("POST", "/api/v1/ask", {"question": "How do I write one database to a file?"})
SEARCH = ("GET", "/api/v1/search?q=vacuum", None)
FEEDBACK = ("POST", "/api/v1/feedback", {"id": NO_ANSWER, "thumb": "up"})
LOGGED = ("GET", f"/api/v1/answers/{NO_ANSWER}", None)
METRICS = ("GET", "/metrics", None)
CHAT = ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "vacuum"}]})
PAGE = ("GET", "/?q=vacuum", None)
MCP = ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"})
HEALTH = ("GET", "/healthz", None)
SCHEMA = ("GET", "/openapi.json", None)

Call = tuple[str, str, object]


def status(address: str, call: Call, **headers: str) -> int:
    method, path, body = call
    return httpx.request(method, address + path, json=body, headers=headers, timeout=30).status_code


@pytest.fixture(scope="module")
def closed(open_engine: OpenEngine) -> Iterator[str]:
    """A server for other machines, without settings."""
    with served(open_engine(RAG_WEB_RATE=0), host="0.0.0.0") as address:
        yield address


@pytest.fixture(scope="module")
def public(open_engine: OpenEngine) -> Iterator[str]:
    """A server for everybody, with a page of another site and a host name."""
    engine = open_engine(
        RAG_WEB_PUBLIC=True,
        RAG_WEB_RATE=0,
        RAG_WEB_ORIGINS="https://docs.example.org",
        RAG_WEB_HOSTS="support.example.org, other.example.org",
    )
    with served(engine, host="0.0.0.0") as address:
        yield address


@pytest.mark.parametrize("call", [ASK, SEARCH, FEEDBACK, LOGGED, METRICS, CHAT, PAGE, MCP], ids=lambda call: call[1])
def test_without_a_key_a_server_for_other_machines_answers_nothing(closed: str, call: Call) -> None:
    assert status(closed, call) == 401
    assert status(closed, call, Authorization="Bearer rag_guessed") == 401


@pytest.mark.parametrize("call", [HEALTH, SCHEMA], ids=lambda call: call[1])
def test_health_and_schema_need_no_key(closed: str, call: Call) -> None:
    assert status(closed, call) == 200


@pytest.mark.parametrize(
    ("call", "expected"),
    [(ASK, 200), (SEARCH, 200), (CHAT, 200), (PAGE, 200), (FEEDBACK, 401), (LOGGED, 401), (METRICS, 401)],
    ids=lambda value: value[1] if isinstance(value, tuple) else str(value),
)
def test_the_public_may_ask_and_search_only(public: str, call: Call, expected: int) -> None:
    assert status(public, call) == expected


def test_a_key_may_do_what_its_scopes_name(closed: str, site_engine: Engine) -> None:
    key = f"Bearer {site_engine.api_keys.add('searcher', ['search'])}"
    operator = f"Bearer {site_engine.api_keys.add('operator', ['operate'])}"

    assert status(closed, SEARCH, Authorization=key) == 200
    assert status(closed, ASK, Authorization=key) == 403
    assert status(closed, METRICS, Authorization=key) == 403
    assert status(closed, METRICS, Authorization=operator) == 200
    assert status(closed, LOGGED, Authorization=operator) == 404


def test_a_revoked_key_is_refused(closed: str, site_engine: Engine) -> None:
    key = site_engine.api_keys.add("short-lived", ["search"])
    assert status(closed, SEARCH, **{"X-API-Key": key}) == 200

    site_engine.api_keys.revoke("short-lived")

    assert status(closed, SEARCH, **{"X-API-Key": key}) == 401


def test_a_key_is_stored_as_a_hash(site_engine: Engine) -> None:
    key = site_engine.api_keys.add("hashed", ["ask"])
    with site_engine.database.connection() as connection:
        rows = connection.execute("SELECT * FROM api_keys").fetchall()
    assert key not in repr(rows)
    assert key.removeprefix("rag_") not in repr(rows)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:80", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("support.example.org", 200),
        ("OTHER.example.org:443", 200),
        ("evil.example", 421),
        ("support.example.org.evil.example", 421),
        ("10.0.0.1", 421),
        ("localhost:80@evil.example", 421),
        ("localhost:evil.example", 421),
        ("[::1].evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_a_request_for_another_host_is_misdirected(public: str, host: str, expected: int) -> None:
    for path in ("/", "/api/v1/sources", "/mcp", "/healthz"):
        found = httpx.get(public + path, headers={"Host": host}).status_code
        assert (found == 421) is (expected == 421)


@pytest.mark.parametrize("path", ["/api/v1/search?q=vacuum", "/api/search?q=vacuum", "/mcp"])
def test_a_page_of_another_site_needs_to_be_listed(site: str, public: str, path: str) -> None:
    listed, other = {"Origin": "https://docs.example.org"}, {"Origin": "https://evil.example"}

    for address in (site, public):
        assert httpx.get(address + path, headers=other).status_code == 403
    allowed = httpx.get(public + path, headers=listed)
    assert allowed.status_code != 403
    assert allowed.headers["access-control-allow-origin"] == "https://docs.example.org"
    assert "access-control-allow-credentials" not in allowed.headers
    assert httpx.get(site + path, headers=listed).status_code == 403


def test_a_browser_may_ask_beforehand(public: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = httpx.options(f"{public}/api/v1/ask", headers={"Origin": "https://docs.example.org", **asked})
    refused = httpx.options(f"{public}/api/v1/ask", headers={"Origin": "https://evil.example", **asked})
    assert allowed.status_code == 200
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert refused.status_code == 400


def test_an_image_of_another_site_asks_nothing_but_a_link_may(site: str) -> None:
    url = f"{site}/api/ask?q=vacuum"
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert httpx.get(url, headers=image).status_code == 403
    assert httpx.get(f"{site}/?q=vacuum", headers=link).status_code == 200


@pytest.mark.parametrize(("site_of_request", "expected"), [("same-origin", 200), ("cross-site", 403), (None, 403)])
def test_a_page_without_an_origin_may_ask_only_if_the_browser_knows_it(
    site: str, site_of_request: str | None, expected: int
) -> None:
    headers = {"Origin": "null"} | ({"Sec-Fetch-Site": site_of_request} if site_of_request else {})
    assert httpx.get(f"{site}/api/v1/search?q=vacuum", headers=headers).status_code == expected


def test_a_forwarded_request_is_not_one_of_this_machine(site: str) -> None:
    assert status(site, SEARCH) == 200
    assert status(site, SEARCH, **{"X-Forwarded-For": "203.0.113.9"}) == 401


def test_too_many_requests_are_told_when_to_come_back(open_engine: OpenEngine) -> None:
    with served(open_engine(RAG_WEB_PUBLIC=True, RAG_WEB_RATE=2), host="0.0.0.0") as address:
        responses = [httpx.get(f"{address}/api/v1/sources") for _ in range(3)]
        chat = httpx.get(f"{address}/v1/models")

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert 1 <= int(responses[-1].headers["retry-after"]) <= 30
    assert responses[-1].json()["error"].startswith("Too many requests; try again in ")
    assert chat.json()["error"]["code"] == "rate_limit_exceeded"


def test_this_machine_has_no_rate(site: str) -> None:
    assert {httpx.get(f"{site}/api/v1/sources").status_code for _ in range(70)} == {200}


def test_each_reply_names_its_request(site: str) -> None:
    given = httpx.get(f"{site}/api/v1/sources", headers={"X-Request-ID": "mine-1"})
    made = [httpx.get(f"{site}/nothing").headers["x-request-id"] for _ in range(2)]
    hostile = httpx.get(f"{site}/healthz", headers={"X-Request-ID": "a b<script>"})
    assert given.headers["x-request-id"] == "mine-1"
    assert made[0] != made[1]
    assert "script" not in hostile.headers["x-request-id"]
