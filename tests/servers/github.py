"""The sample's GitHub server, with faults."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flows.demo.github_server import GitHubServer, Handler, Request, Response

DROP = "X-Fault-Drop"
TRUNCATE = "X-Fault-Truncate"


def _failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"message": message, "documentation_url": "https://docs.github.com"}, dict(headers or {}))


def _unicorn(status: int) -> Response:
    return Response(status, "<html><body>Unicorn!</body></html>")


#: every kind of fault, by name
FAULTS: dict[str, Callable[[], Response]] = {
    "500": lambda: _failure(500, "Server Error"),
    "502 as HTML": lambda: _unicorn(502),
    "503": lambda: _failure(503, "Service unavailable"),
    "dropped": lambda: Response(200, {}, {DROP: "1"}),
    "truncated": lambda: Response(200, [{"number": 1}] * 20, {TRUNCATE: "1"}),
    "broken JSON": lambda: Response(200, '[{"number": 1, "title": "cut o'),
    "secondary limit, 403": lambda: _failure(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        {"Retry-After": "0"},
    ),
    "secondary limit, 429": lambda: _failure(429, "Too many requests", {"Retry-After": "0"}),
}


class FaultyHandler(Handler):
    """A handler that can break off."""

    def send(self, response: Response) -> None:
        if DROP in response.headers:
            self.close_connection = True
            return
        if TRUNCATE in response.headers:
            payload = json.dumps(response.data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload[: len(payload) // 2])
            self.close_connection = True
            return
        super().send(response)


class FaultyGitHubServer(GitHubServer):
    """A server that fails at set rates, by a seed, and calls a hook before each request.

    :param rates: how likely each kind of FAULTS is, 0 to 1
    :param before: called with the number of the request, from 1, before it is answered
    """

    handler = FaultyHandler

    def __init__(
        self,
        export: Mapping[str, Any],
        *,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
        before: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(export, **settings)
        self.injected: dict[str, int] = dict.fromkeys(FAULTS, 0)
        #: replies to give instead of the next ones, for a test that needs one at a certain place
        self.next: list[Response] = []
        self._rates = dict(rates or {})
        self._random = random.Random(seed)
        self._before = before
        self._guard = threading.Lock()

    def answer(self, request: Request) -> Response:
        with self._guard:
            if self._before:
                self._before(len(self.requests) + 1)
            if self.next:
                self.requests.append(request)
                return self.next.pop(0)
            for name, rate in self._rates.items():
                if self._random.random() < rate:
                    self.injected[name] += 1
                    self.requests.append(request)
                    return FAULTS[name]()
        return super().answer(request)
