"""Requests that are too large, too slow or too many, and a server that stops."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlencode

import httpx
import pytest

from rag.engine import Engine
from rag.web.guard.limits import LARGEST_BODY
from rag.web.guard.protocol import PatientProtocol
from tests.integration.conftest import OpenEngine
from tests.servers.openai import OpenAIServer
from tests.servers.web import Served, served

#: a request whose body never ends
UNFINISHED = b"POST /api/v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"


class ImpatientProtocol(PatientProtocol):
    head_timeout = 0.2
    most_connections = 20


@pytest.fixture
def impatient(site_engine: Engine) -> Iterator[str]:
    with served(site_engine, protocol=ImpatientProtocol) as address:
        yield address


def connect(address: str) -> socket.socket:
    url = httpx.URL(address)
    return socket.create_connection((url.host, url.port), timeout=20)


def test_a_large_body_is_refused(site: str) -> None:
    for content in (b"x" * (LARGEST_BODY + 1), iter([b"x" * LARGEST_BODY, b"x"])):
        response = httpx.post(f"{site}/api/v1/ask", content=content)
        assert (response.status_code, response.json()) == (413, {"error": "The body is larger than 1,000,000 bytes."})


def test_the_longest_query_string_that_is_allowed_arrives(site: str) -> None:
    longest = {"id": "\U00033f69" * 4000, "url": "\U00033f69" * 4000, "body": "\U00033f69" * 20_000}
    with connect(site) as connection:
        head = f"GET /api/v1/similar?{urlencode(longest)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        received = b"".join(iter(lambda: connection.recv(10_000), b""))
    assert received.startswith(b"HTTP/1.1 404")
    assert b"There is no document with this id or URL" in received


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n"])
def test_a_request_that_never_ends_is_given_up(impatient: str, sent: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(sent)
        assert connection.recv(1000) == b""


def test_a_second_request_that_never_ends_is_given_up(impatient: str) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(impatient) as connection:
        connection.sendall(whole + b"GET / HT")
        connection.sendall(b"T")
        received = b"".join(iter(lambda: connection.recv(1000), b""))
    assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: lo", UNFINISHED])
def test_many_unfinished_requests_keep_nobody_out(site_engine: Engine, sent: bytes) -> None:
    class Protocol(PatientProtocol):
        most_connections = 20

    with served(site_engine, protocol=Protocol, most_requests=10) as address:
        unfinished = [connect(address) for _ in range(60)]
        for connection in unfinished:
            with suppress(ConnectionError):  # it has made room already
                connection.sendall(sent)
        assert httpx.get(f"{address}/api/v1/sources", timeout=20).status_code == 200
        # The oldest made room.
        with suppress(ConnectionError):
            assert unfinished[0].recv(1000) == b""
        for connection in unfinished:
            connection.close()


def test_a_busy_server_says_so_in_the_form_of_each_reader(open_engine: OpenEngine) -> None:
    reached, go_on = threading.Semaphore(0), threading.Event()
    busy = "The server is busy; try again in a moment."

    def answer(_messages: object) -> str:
        reached.release()
        assert go_on.wait(60)
        return "Use pg_dump to write one database to a file [1]."

    with OpenAIServer() as model, ThreadPoolExecutor(2) as askers:
        model.answer = answer
        engine = open_engine(RAG_LLM="openai/test", OPENAI_API_KEY=model.key, OPENAI_BASE_URL=model.url)
        with served(engine, most_requests=2) as address:
            question = {"q": "How do I write one database to a file?"}
            asked = [askers.submit(httpx.post, f"{address}/api/v1/ask", json=question, timeout=60) for _ in range(2)]
            assert all(reached.acquire(timeout=30) for _ in asked)
            replies = {
                path: httpx.get(address + path, timeout=20) for path in ("/api/v1/search?q=vacuum", "/?q=vacuum")
            }
            replies |= {
                path: httpx.post(address + path, json={}, timeout=20) for path in ("/v1/chat/completions", "/mcp")
            }
            healthy = httpx.get(f"{address}/healthz", timeout=20)
            go_on.set()
            assert {one.result().status_code for one in asked} == {200}
            again = httpx.get(f"{address}/api/v1/search?q=vacuum", timeout=20)

    assert {(reply.status_code, reply.headers["retry-after"]) for reply in replies.values()} == {(503, "1")}
    assert replies["/api/v1/search?q=vacuum"].json() == {"error": busy}
    assert f'role="alert">{busy}</p>' in replies["/?q=vacuum"].text
    assert replies["/v1/chat/completions"].json()["error"]["message"] == busy
    assert replies["/mcp"].json()["error"]["message"] == busy
    assert (healthy.status_code, again.status_code) == (200, 200)


def test_a_stream_ends_before_the_server_does(open_engine: OpenEngine) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def answer(_messages: object) -> str:
        reached.set()
        assert go_on.wait(30)
        return "Use pg_dump to write one database to a file [1]."

    with OpenAIServer() as model, ThreadPoolExecutor(1) as reader:
        model.answer = answer
        engine = open_engine(RAG_LLM="openai/test", OPENAI_API_KEY=model.key, OPENAI_BASE_URL=model.url)
        server = Served(engine, host="127.0.0.1", protocol=PatientProtocol)
        question = {"q": "How do I write one database to a file?"}
        reading = reader.submit(httpx.get, f"{server.address}/api/ask/stream", params=question, timeout=30)
        assert reached.wait(30)

        server.stop()
        go_on.set()

        assert "event: answer" in reading.result().text
        server.join()
