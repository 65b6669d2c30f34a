"""Hosts: the names under which this server may be asked for, so that no other site's name can lead to it."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.net.hosts import LOOPBACK, host_name
from rag.web.replies import failure

__all__ = ["Hosts"]


class Hosts:
    """ASGI middleware that answers 421 to a request for another host.

    A name of this machine and the address that the client connected to are always allowed: a page of another site
    cannot have either of them.

    :param names: further names, without ports
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self._app = app
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request for an allowed host."""
        if scope["type"] != "http" or self._is_allowed(scope):
            await self._app(scope, receive, send)
            return
        sentence = "This host name is not allowed; add it to RAG_WEB_HOSTS."
        await failure(scope, 421, sentence)(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        name = host_name(Headers(scope=scope).get("host", ""))
        if name in LOOPBACK or name in self._names:
            return True
        server = scope.get("server")
        return bool(name) and server is not None and name == server[0]
