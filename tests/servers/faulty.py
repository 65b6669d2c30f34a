"""A server in front of another one on loopback, which breaks HTTP for the requests that it is told to.

    with DocsSite() as site, FaultyServer(site.url()) as server:
        server.break_off(FAULTS["cut in the body"], lambda path, _body: path == "/robots.txt")

A fault gets the connection and the true reply, and writes what it likes. Addresses of the other server in a reply become
addresses of this one.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["BREAKS", "FAULTS", "REFUSED", "STATUSES", "Concerns", "Connection", "Fault", "FaultyServer", "Reply"]

#: Every status that a program may meet and that means something, and some that mean nothing.
STATUSES = (
    100, 101, 103, 201, 202, 204, 205, 206, 300, 301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410,
    413, 415, 418, 422, 425, 429, 451, 500, 501, 502, 503, 504, 520, 522, 599, 600, 999,
)  # fmt: skip
#: The fault for which the port is closed.
REFUSED = "connection refused"
_DRIP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Reply:
    """The true reply to a request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def head(self, *, without: str = "", **more: str) -> bytes:
        """Return the status line and the headers, some of them replaced, without the line that ends them.

        :param more: further headers; an underscore stands for a hyphen
        """
        named = {name.replace("_", "-"): value for name, value in more.items()}
        left_out = {without.lower(), *map(str.lower, named)}
        kept = [(name, value) for name, value in self.headers if name.lower() not in left_out]
        lines = [f"{name}: {value}" for name, value in [*kept, *named.items()]]
        return "\r\n".join([f"HTTP/1.1 {self.status} Reply", *lines, ""]).encode("latin-1")

    def whole(self) -> bytes:
        """Return the reply as it is sent if nothing is broken."""
        return self.head() + b"\r\n" + self.body


class Connection:
    """A connection to a client."""

    def __init__(self, line: socket.socket, stopped: threading.Event) -> None:
        self._line, self._stopped = line, stopped

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._line.sendall(data)

    def send_without_end(self, parts: Iterator[bytes], pause: float = 0.0) -> None:
        """Send parts, with pauses, until the client hangs up or the fault ends."""
        for part in parts:
            if self._stopped.wait(pause) if pause else self._stopped.is_set():
                return
            self.send(part)

    def wait(self) -> None:
        """Say nothing until the client hangs up or the fault ends."""
        self._line.settimeout(0.05)
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._line.recv(4096):
                    return

    def reset(self) -> None:
        """Hang up with a reset."""
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Fault = Callable[[Connection, Reply], None]
#: Whether a fault concerns a request, by its path with the query, and its body.
Concerns = Callable[[str, bytes], bool]


class FaultyServer:
    """Serves what another server serves until the `with` block ends.

    :param origin: the other server's address; its path is left out
    """

    def __init__(self, origin: str) -> None:
        self._origin = urlsplit(origin).netloc
        self._fault: Fault | None = None
        self._concerns: Concerns = lambda _path, _body: False
        self._ended = threading.Event()
        #: how many requests met a fault
        self.broken = 0
        self._listener = _listening(0)
        self.port: int = self._listener.getsockname()[1]
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._stop()

    def url(self, path: str = "") -> str:
        """Return the address of a path here."""
        return f"http://127.0.0.1:{self.port}{path}"

    def break_off(self, fault: Fault | None, concerns: Concerns) -> None:
        """Break the replies to requests that `concerns` accepts; None: refuse every connection."""
        self.broken = 0
        self._ended.clear()
        self._fault, self._concerns = fault, concerns
        if fault is None:
            self._stop()

    def mend(self) -> None:
        """End the fault, also for requests that wait for an end of their reply."""
        self._ended.set()
        if self._fault is None and self._listener.fileno() < 0:
            self._listener = _listening(self.port)
            self._start()
        self._concerns = lambda _path, _body: False

    def _start(self) -> None:
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    def _stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        # A client that hangs up is what a fault is for.
        with contextlib.suppress(OSError, ValueError, IndexError, http.client.HTTPException), line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with line.makefile("rb") as requests:
                method, path, headers, body = _read(requests)
            reply = self._asked(method, path, headers, body)
            connection = Connection(line, self._ended)
            if self._fault and self._concerns(path, body):
                self.broken += 1
                self._fault(connection, reply)
            else:
                connection.send(reply.whole())

    def _asked(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        upstream = http.client.HTTPConnection(self._origin, timeout=30)
        with contextlib.closing(upstream):
            kept = {name: value for name, value in headers.items() if name not in ("accept-encoding", "connection")}
            upstream.request(method, path, body or None, kept)
            reply = upstream.getresponse()
            here = f"127.0.0.1:{self.port}"
            content = reply.read().replace(self._origin.encode(), here.encode())
            hidden = ("transfer-encoding", "content-length", "connection")
            given = [(name, value.replace(self._origin, here)) for name, value in reply.getheaders()]
            kept_headers = [(name, value) for name, value in given if name.lower() not in hidden]
            return Reply(
                reply.status, [*kept_headers, ("Content-Length", str(len(content))), ("Connection", "close")], content
            )


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=64)


def _read(requests: object) -> tuple[str, str, dict[str, str], bytes]:
    first = requests.readline().decode("latin-1").split(" ")  # type: ignore[attr-defined]
    headers = {}
    while line := requests.readline().decode("latin-1").strip():  # type: ignore[attr-defined]
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = requests.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
    return first[0], first[1], headers, body


# Faults


def _status(status: int) -> Fault:
    """A reply with a status, a page that says no more, and none of the headers that the status may ask for."""

    def send(connection: Connection, _reply: Reply) -> None:
        body = b"" if status in (204, 304) or status < 200 else f"<html><body><h1>{status}</h1></body></html>".encode()
        length = f"Content-Length: {len(body)}\r\n" if status >= 200 else ""
        head = f"HTTP/1.1 {status} Fault\r\nContent-Type: text/html\r\n{length}Connection: close\r\n\r\n"
        connection.send(head.encode() + body)

    return send


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _forever(part: bytes) -> Iterator[bytes]:
    while True:
        yield part


def _reset(connection: Connection, _reply: Reply) -> None:
    connection.reset()


def _endless_chunks(connection: Connection, reply: Reply) -> None:
    connection.send(reply.head(without="Content-Length", Transfer_Encoding="chunked") + b"\r\n")
    connection.send_without_end(_forever(_chunk(b" " * 65_536)))


def _cut_chunks(connection: Connection, reply: Reply) -> None:
    head = reply.head(without="Content-Length", Transfer_Encoding="chunked")
    connection.send(head + b"\r\n" + _chunk(reply.body[: len(reply.body) // 2]))


def _slow_head(connection: Connection, reply: Reply) -> None:
    connection.send(reply.head())
    connection.send_without_end(_forever(b"X-Slow: 1\r\n"), _DRIP_SECONDS)


def _endless_head(connection: Connection, reply: Reply) -> None:
    connection.send(reply.head())
    connection.send_without_end(_forever(b"X-A: " + b"a" * 999 + b"\r\n"))


def _slow_body(connection: Connection, reply: Reply) -> None:
    connection.send(reply.head(Content_Length="1000000") + b"\r\n")
    connection.send_without_end(_forever(b" "), _DRIP_SECONDS)


def _cut_gzip(connection: Connection, reply: Reply) -> None:
    packed = gzip.compress(reply.body)
    packed = packed[: len(packed) * 2 // 3]
    connection.send(reply.head(Content_Encoding="gzip", Content_Length=str(len(packed))) + b"\r\n" + packed)


def _two_lengths(connection: Connection, reply: Reply) -> None:
    connection.send(reply.head() + b"Content-Length: 7\r\n\r\n" + reply.body)


def _to_itself(connection: Connection, reply: Reply) -> None:
    connection.send(b"HTTP/1.1 302 Found\r\nLocation: ?\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


#: Every way to break off a reply, or to send what is none.
BREAKS: dict[str, Fault | None] = {
    REFUSED: None,
    "closed without a reply": lambda _connection, _reply: None,
    "reset": _reset,
    "silent": lambda connection, _reply: connection.wait(),
    "cut in the status line": lambda connection, _reply: connection.send(b"HTTP/1.1 2"),
    "cut in the headers": lambda connection, reply: connection.send(reply.head()[:-9]),
    "cut before the body": lambda connection, reply: connection.send(reply.head() + b"\r\n"),
    "cut in the body": lambda connection, reply: connection.send(reply.whole()[: -len(reply.body) // 2 or None]),
    "a Content-Length that is too long": lambda connection, reply: connection.send(
        reply.head(Content_Length=str(len(reply.body) + 99)) + b"\r\n" + reply.body
    ),
    "a Content-Length below zero": lambda connection, reply: connection.send(
        reply.head(Content_Length="-1") + b"\r\n" + reply.body
    ),
    "two lengths": _two_lengths,
    "cut between chunks": _cut_chunks,
    "a chunk without a length": lambda connection, reply: connection.send(
        reply.head(without="Content-Length", Transfer_Encoding="chunked") + b"\r\nzz\r\n" + reply.body
    ),
    "chunks without end": _endless_chunks,
    "headers without end": _endless_head,
    "a drip of headers": _slow_head,
    "a drip of a body": _slow_body,
    "gzip that is cut": _cut_gzip,
    "gzip that is none": lambda connection, reply: connection.send(
        reply.head(Content_Encoding="gzip") + b"\r\n" + reply.body
    ),
    "an unknown Content-Encoding": lambda connection, reply: connection.send(
        reply.head(Content_Encoding="snappy") + b"\r\n" + reply.body
    ),
    "TLS": lambda connection, _reply: connection.send(b"\x15\x03\x01\x00\x02\x02\x46"),
    "no HTTP": lambda connection, _reply: connection.send(b"220 mail.example.org ESMTP\r\n"),
    "an empty reply": lambda connection, reply: connection.send(reply.head(Content_Length="0") + b"\r\n"),
    "a redirect to itself": _to_itself,
}  # fmt: skip
#: Every fault by its name: that of the break, or the number of the status.
FAULTS: dict[str, Fault | None] = {**{str(status): _status(status) for status in STATUSES}, **BREAKS}
