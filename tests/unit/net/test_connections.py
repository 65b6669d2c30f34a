"""Connections with limits, on a server that sends without end."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpcore
import httpx
import pytest

from rag.net.connections import LimitedBackend, LimitedStream, connect_by
from tests.servers.certificates import certificate

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
_PART = b"a" * 1000


class FewReads(LimitedStream):
    """A connection that may be read five times."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        super().__init__(stream)
        self.reads = 0

    def limited(self, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        return FewReads(stream)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.reads += 1
        if self.reads > 5:
            raise httpcore.ReadTimeout("too many reads")
        return super().read(1000, timeout)


@pytest.fixture(params=["http", "https"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a server whose reply has a million parts."""
    made, key = certificate(tmp_path, days=60)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listening.accept()
        talk = context.wrap_socket(line, server_side=True) if request.param == "https" else line
        with suppress(OSError), talk:
            talk.recv(65_536)
            talk.sendall(_HEAD)
            for _ in range(1_000_000):
                talk.sendall(_PART)

    server = threading.Thread(target=serve)
    server.start()
    yield f"{request.param}://127.0.0.1:{listening.getsockname()[1]}/"
    server.join(60)
    listening.close()


def test_a_limit_holds_before_and_behind_a_tls_handshake(endless: str, tmp_path: Path) -> None:
    transport = httpx.HTTPTransport(verify=ssl.create_default_context(cafile=tmp_path / "certificate.pem"))
    connect_by(transport, LimitedBackend(FewReads))
    received = 0
    with (
        httpx.Client(transport=transport) as client,
        pytest.raises(httpx.ReadTimeout, match="too many reads"),
        client.stream("GET", endless) as reply,
    ):
        for part in reply.iter_raw():
            received += len(part)
    assert 0 < received <= 5_000


def test_the_time_to_connect_is_limited() -> None:
    def none_left(timeout: float | None) -> float:
        raise httpcore.ConnectTimeout(f"none of {timeout:g} s are left")

    transport = httpx.HTTPTransport()
    connect_by(transport, LimitedBackend(FewReads, none_left))
    with (
        httpx.Client(transport=transport, timeout=7) as client,
        pytest.raises(httpx.ConnectTimeout, match="none of 7 s are left"),
    ):
        client.get("http://127.0.0.1:9/")
