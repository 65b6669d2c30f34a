from __future__ import annotations

import asyncio
import re
import select
import socket
import socketserver
from collections.abc import Callable, Iterator
from threading import Thread
from urllib.parse import urlsplit

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.ingest import run_ingest
from flows.prefect.returned import returned_as
from flows.prefect.server import ServerProcess
from rag.errors import RagError

_SETS_LAST_STATE = re.compile(rb'POST (\S+/set_state) (?:(?!POST ).)*"type":\s*"(?:COMPLETED|FAILED)"', re.DOTALL)


class LosingProxy(socketserver.ThreadingTCPServer):
    """Passes bytes on to a Prefect server, and loses its first reply to each last state of a run."""

    daemon_threads = True

    def __init__(self, prefect: ServerProcess) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.behind = urlsplit(prefect.api_url)
        self.api_url = f"http://127.0.0.1:{self.server_address[1]}/api"
        self.lost: set[bytes] = set()


class _Connection(socketserver.BaseRequestHandler):
    server: LosingProxy

    def handle(self) -> None:
        asked = b""
        with socket.create_connection((self.server.behind.hostname, self.server.behind.port)) as upstream:
            while True:
                for ready in select.select([self.request, upstream], [], [])[0]:
                    data = ready.recv(65536)
                    if not data or (ready is upstream and self._loses(asked)):
                        return
                    asked = asked + data if ready is self.request else b""
                    (upstream if ready is self.request else self.request).sendall(data)

    def _loses(self, asked: bytes) -> bool:
        found = _SETS_LAST_STATE.search(asked)
        if found is None or found[1] in self.server.lost:
            return False
        self.server.lost.add(found[1])
        return True


@pytest.fixture(scope="module")
def proxy(prefect_server: ServerProcess) -> LosingProxy:
    """It serves until the process ends, since Prefect sends the last events only then."""
    started = LosingProxy(prefect_server)
    Thread(target=started.serve_forever, daemon=True).start()
    return started


@pytest.fixture
def losing(proxy: LosingProxy) -> Iterator[LosingProxy]:
    with temporary_settings({PREFECT_API_URL: proxy.api_url}):
        yield proxy


@pytest.mark.usefixtures("quick_embedding", "short_retries")
def test_a_report_outlives_a_lost_reply_of_prefect(losing: LosingProxy, sources: Callable[..., None]) -> None:
    sources(issues="example/engine", absent="example/none")

    reports = asyncio.run(run_ingest(["issues", "absent"]))

    assert [(report.name, report.state) for report in reports] == [("issues", "completed"), ("absent", "failed")]
    assert "example/none" in reports[1].errors[0].error
    assert len(losing.lost) == 3


def test_what_is_not_of_the_kind_is_an_error(prefect_server: ServerProcess) -> None:
    @flow(persist_result=False)
    async def number() -> int:
        return 3

    assert asyncio.run(returned_as(int, number(return_state=True), otherwise="No number")) == 3
    with pytest.raises(RagError, match="No text: 3"):
        asyncio.run(returned_as(str, number(return_state=True), otherwise="No text"))
