"""What Prefect's side keeps its hands off, and how runs end that break off."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import prefect
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Crashed
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from flows.ingest import _ended, _sentence
from flows.prefect.abandoned import known_reader
from flows.prefect.limits import asking, host_limit, made_limit
from flows.prefect.server import GONE, ServerProcess, connected
from rag.errors import DatabaseError, RagError
from rag.settings import DocsConfig


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_cannot_use_prefects_api(prefect_server: ServerProcess, origin: str) -> None:
    api, page = prefect_server.api_url, {"Origin": origin}
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    # Without a type, as of a Blob, a browser sends this to any server, whatever the allowed origins.
    flow = httpx.post(f"{api}/flows/", content=b'{"name": "of another page"}', headers=page)
    replies = [
        httpx.options(f"{api}/deployments/filter", headers=page | asks),
        httpx.get(f"{api}/health", headers=page),
        httpx.get(f"{api}/health", headers={"Host": "rebound.example"}),
        flow,
    ]

    assert {reply.status_code for reply in replies} == {403}
    assert all("access-control-allow-origin" not in reply.headers for reply in replies)
    with pytest.raises(InvalidStatus):
        _connected(prefect_server, origin)


def _connected(server: ServerProcess, origin: str | None) -> None:
    with connect(f"{server.api_url.replace('http', 'ws')}/events/out", origin=origin, subprotocols=["prefect"]):  # type: ignore[arg-type,list-item]
        pass


def test_the_page_of_the_server_itself_and_programs_can(prefect_server: ServerProcess) -> None:
    reply = httpx.get(f"{prefect_server.api_url}/health", headers={"Origin": prefect_server.url})
    assert reply.headers["access-control-allow-origin"] == prefect_server.url
    for origin in (prefect_server.url, None):
        _connected(prefect_server, origin)


def test_the_slots_of_a_killed_crawl_are_free_at_once(
    prefect_server: ServerProcess, settings_in_environment: object
) -> None:
    config = DocsConfig(name="docs", url="https://killed.example/docs/")

    async def crawl() -> tuple[int, bool]:
        slots = await made_limit(host_limit(config), 8)
        async with get_client() as client:
            await client.update_global_concurrency_limit(
                host_limit(config), GlobalConcurrencyLimitUpdate(active_slots=slots)
            )
        async with asyncio.timeout(30), known_reader(config), asking(config) as at_once:
            async with known_reader(config):
                pass  # a second one waits, and leaves the slots of the first alone
            async with get_client() as client:
                held = await client.read_global_concurrency_limit_by_name(host_limit(config))
            return at_once, held.active_slots > 0

    assert asyncio.run(crawl()) == (8, True)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (DatabaseError("The disk is full."), "The disk is full."),
        (Crashed(message="Execution was aborted"), "Execution was aborted"),
        (Crashed(), "Its run ended as Crashed, without a reason."),
        (KeyError("x"), "Its run broke off by KeyError: 'x'."),
        (httpx.ReadTimeout(""), GONE),
    ],
)
def test_a_run_without_a_report_is_told_in_a_sentence(end: object, said: str) -> None:
    assert _sentence(end) == said


def test_a_run_that_prefect_cannot_begin_leaves_the_others_alone() -> None:
    with HTTPServer(("127.0.0.1", 0), _Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings(
            {PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}
        ):
            end = asyncio.run(_ended("docs", False, False, 0, {}))
        server.shutdown()
    assert _sentence(end) == GONE


class _Busy(BaseHTTPRequestHandler):
    """Prefect's API on a machine that is too busy for it."""

    def do_GET(self) -> None:
        self._reply(200, f'"{prefect.__version__}"'.encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(503, b"{}")

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log."""


def test_a_server_that_is_gone_is_one_sentence() -> None:
    with pytest.raises(RagError, match="its server has ended") as error, connected(None):
        httpx.get("http://127.0.0.1:1/api/health")
    assert str(error.value) == GONE
