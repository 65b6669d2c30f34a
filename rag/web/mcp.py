"""The MCP server at /mcp, over streamable HTTP; the checks of the application stand before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from rag.mcp import create_server
from rag.service import Service
from rag.web.guard.access import visitor_of
from rag.web.replies import failure

__all__ = ["McpEndpoint"]


class McpEndpoint:
    """An ASGI application; requests have no session, so that any of several servers can answer them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the server, once for each start of the application."""
        server = create_server(self._service)
        # The application has checked host and origin already.
        server.streamable_http_app(stateless_http=True, transport_security=None, host="")
        self._manager = server.session_manager
        async with self._manager.run():
            yield
        self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a client that may ask or search."""
        if visitor_of(scope).scopes.isdisjoint(("ask", "search")):
            sentence = "An API key with the scope ask or search is needed."
            await failure(scope, 401, sentence, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
        elif scope["method"] != "POST":
            # There is no stream to listen to and no session to end; one that is held open would keep the server from
            # stopping.
            await failure(scope, 405, "Send a POST.", {"Allow": "POST"})(scope, receive, send)
        else:
            assert self._manager is not None
            await self._manager.handle_request(scope, receive, send)
