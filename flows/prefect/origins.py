"""Who may ask a Prefect server: its own pages, and programs.

Prefect's allowed origins decide what a page of another website may read. Such a page could still start a run, whose
reply it cannot read; follow events and logs by a web socket, to which these rules do not apply; and do everything under
a name of its own that it lets lead to this machine.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.net.hosts import LOOPBACK, host_name

__all__ = ["OwnOrigins"]

_SENTENCE = "This Prefect server answers its own pages only; PREFECT_SERVER_CORS_ALLOWED_ORIGINS names them.\n"
_POLICY_VIOLATION = 1008


class OwnOrigins:
    """ASGI middleware that refuses the requests and web sockets of other pages, and those for other hosts.

    A program sends no Origin. A browser sends one with every request that changes something, and with every web socket.

    :param origins: such as http://127.0.0.1:4200; the server may be asked for under their hosts, and under the names of
        this machine. With "*", everything is allowed.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = {origin.strip().lower().rstrip("/") for origin in origins}
        self._hosts = {urlsplit(origin).hostname for origin in self._origins} | set(LOOPBACK)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward what is allowed."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or "*" in self._origins or self._is_allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif kind == "http":
            await PlainTextResponse(_SENTENCE, 403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def _is_allowed(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            return False
        return host_name(headers.get("host", "")) in self._hosts
