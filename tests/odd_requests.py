"""HTTP requests that no browser sends: most are whole, and meant for a path that exists."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping

__all__ = ["FAILED", "odd_request", "status_of"]

#: What a server replies that was not ready for a request; 503 is a promise to be back.
FAILED = frozenset({"500", "501", "502", "504", "no reply in time", "no HTTP"})

_GET = (
    "/", "/stream", "/answers/1", "/answers/00000000-0000-0000-0000-000000000000", "/document", "/widget.js",
    "/static/page.js", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/logo", "/api/ask", "/api/ask/stream", "/api/search",
    "/api/v1/similar", "/api/v1/sources", "/api/v1/answers/1", "/api/v1/documents", "/v1/models", "/v1/models/x", "/mcp",
    "/healthz", "/metrics", "/openapi.json", "/insights", "/map", "/map/data", "/nowhere",
)  # fmt: skip
_POST = (
    "/api/v1/ask", "/api/v1/search", "/api/v1/verify", "/api/v1/feedback", "/api/v1/similar", "/v1/chat/completions",
    "/mcp", "/answers/00000000-0000-0000-0000-000000000000",
)  # fmt: skip
_OTHER_METHODS = ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "M-SEARCH")
_NAMES = (
    "question", "q", "source", "kind", "label", "state", "since", "until", "version", "after", "thread", "top_k", "limit",
    "skip", "id", "url", "title", "body", "text", "thumb", "better_page", "days", "messages", "model", "stream", "filters",
    "x", "max_tokens", "number", "comment", "sources",
)  # fmt: skip
_TEXTS = (
    "", "\0", "%", "%zz", "'", '"', "<script>", "\\", "../", "http://[", "http://[::1", "9" * 40, "-1", "1e400", "NaN",
    "null", "true", "[]", "{}", "\ud800", "a" * 3000, "\u202e", "=", "2024-13-45", "9999-12-31", "0000-00-00", "-", "up",
    "issue", "\r\nX: y", "\u0661", "\u00b2", "😀", "user", "system", "pg_dump", "how do I back up one database",
)  # fmt: skip
_BODIES = (
    {"question": "how do I back up one database"},
    {"query": "backup", "limit": 3},
    {"text": "pg_dump writes one database to a file."},
    {"id": "00000000-0000-0000-0000-000000000000", "thumb": "up"},
    {"model": "x", "messages": [{"role": "user", "content": "backup"}]},
    {"model": "x", "stream": True, "messages": [{"role": "user", "content": [{"type": "text", "text": "backup"}]}]},
    {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"question": "x"}}},
    {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "x://y"}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
)
_HEADERS = (
    "Origin", "Referer", "Cookie", "Authorization", "X-API-Key", "Range", "If-None-Match", "If-Modified-Since",
    "Sec-Fetch-Site", "Sec-Fetch-Mode", "X-Request-ID", "X-Forwarded-For", "Mcp-Session-Id", "Mcp-Protocol-Version",
    "Last-Event-ID", "Accept-Encoding", "Content-Encoding", "Upgrade", "Accept-Language", "Connection",
)  # fmt: skip
_VALUES = (
    "Bearer x",
    "Bearer",
    "bytes=0-",
    "bytes=-9" * 200,
    "cross-site",
    "navigate",
    "null",
    "gzip",
    "x" * 9000,
    "\t",
)
_TYPES = ("application/json", "text/plain", "multipart/form-data; boundary=x", "application/json; charset=klingon")


def odd_request(chance: random.Random, host: str) -> bytes:
    """Return a request as it is sent.

    :param host: what the Host header says
    """
    body, kind = b"", ""
    if is_post := chance.random() < 0.5:
        body, kind = _body(chance)
    method = chance.choice(_OTHER_METHODS) if chance.random() < 0.1 else "POST" if is_post else "GET"
    lines = [
        method.encode() + b" " + _target(chance, _POST if is_post else _GET) + b" HTTP/1.1",
        b"Host: " + host.encode(),
    ]
    lines.append(b"Accept: " + chance.choice((b"application/json, text/event-stream", b"*/*", b"text/html", b"q=\xff")))
    if is_post:
        lines += [b"Content-Type: " + kind.encode(), b"Content-Length: %d" % len(body)]
    for _ in range(chance.randrange(3)):
        value = chance.choice((*_TEXTS, *_VALUES)).encode("utf-8", "surrogatepass")
        lines.append(chance.choice(_HEADERS).encode() + b": " + value.translate(None, b"\0\r\n"))
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def _target(chance: random.Random, paths: tuple[str, ...]) -> bytes:
    target = chance.choice(paths)
    if given := "&".join(f"{chance.choice(_NAMES)}={chance.choice(_TEXTS)}" for _ in range(chance.randrange(4))):
        target += f"?{given}"
    raw = target.replace(" ", "+").encode("utf-8", "surrogatepass")
    return b"".join(bytes([byte]) if 32 < byte < 127 else b"%%%02X" % byte for byte in raw)


def _body(chance: random.Random) -> tuple[bytes, str]:
    """Return a body, and the type that it is said to have."""
    match chance.randrange(8):
        case 0:
            return b"[" * chance.choice((10, 100_000)) + b"]" * chance.choice((0, 10)), _TYPES[0]
        case 1:
            return chance.randbytes(chance.randrange(300)), chance.choice(_TYPES)
        case 2:
            form = "&".join(f"{chance.choice(_NAMES)}={chance.choice(_TEXTS)}" for _ in range(chance.randrange(6)))
            return form.encode("utf-8", "surrogatepass"), "application/x-www-form-urlencoded"
    text = json.dumps(_changed(chance, chance.choice(_BODIES)), ensure_ascii=chance.random() < 0.5)
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    if chance.random() < 0.15:
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body), _TYPES[0]


def _changed(chance: random.Random, value: object) -> object:
    """Return a JSON value, some parts of which have other types, values or names."""
    if isinstance(value, Mapping):
        changed = {name: _changed(chance, part) for name, part in value.items()}
        if chance.random() < 0.3:
            changed[chance.choice(_NAMES)] = _value(chance)
        if chance.random() < 0.1:
            changed.pop(chance.choice(list(changed)))
        return changed
    if isinstance(value, list):
        return [_changed(chance, part) for part in value] * chance.choice((1, 1, 1, 0, 50))
    return _value(chance) if chance.random() < 0.15 else value


def _value(chance: random.Random) -> object:
    numbers = (0, -1, 3, 2**31, 2**63, 2**64, 10**300, 1.5, -0.0, 1e308, float("nan"), float("inf"))
    nested: tuple[object, ...] = ([], {}, [[]], {"x": [None]}, ["x"] * 100)
    return chance.choice((None, True, False, *numbers, *nested, *_TEXTS))


def status_of(request: bytes, port: int, *, seconds: float = 30.0) -> str:
    """Send a request to this machine, and return the status of the reply, or what came in its place."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
        try:
            line.sendall(request)
            said = line.recv(65_536)
        except TimeoutError:
            return "no reply in time"
        except OSError:  # it hung up before it had read everything, as it may
            return "hung up"
    if not said:
        return "hung up"
    return said.split(b" ", 2)[1].decode() if said.startswith(b"HTTP/1.1 ") else "no HTTP"
