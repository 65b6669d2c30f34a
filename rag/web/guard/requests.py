"""Requests: each has an id, which its reply and the log name; every reply has the headers that protect its reader."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Named"]

log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Everything is loaded from this server, no script or style stands in a page, and the page cannot be framed.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer", a form of this server's own page would come from the origin "null".
    "Referrer-Policy": "same-origin",
}


class Named:
    """ASGI middleware that names each request, logs it without its question, and adds headers to its reply.

    Starlette's BaseHTTPMiddleware would cost one task per request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        name = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = name
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["X-Request-ID"] = name
                if scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "max-age=3600"
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            # As it was sent: the decoded path may hold a line break.
            path = scope.get("raw_path", b"").decode("ascii", "replace")
            log.info("%s %s %s %d %.3f s", name, scope["method"], path, status, seconds)
