"""Limits: the size of a request, how long it may take to arrive, and how many are worked on at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.web.replies import failure

__all__ = ["LARGEST_BODY", "MOST_REQUESTS", "Limits"]

#: In bytes: a long conversation of a chat client.
LARGEST_BODY = 1_000_000
# In seconds.
_BODY_TIMEOUT = 20.0
#: Requests beyond these are refused: they would wait longer than their senders do.
MOST_REQUESTS = 100


class Limits:
    """ASGI middleware that reads the body, within limits, before the application sees the request.

    :param exempt: paths that are served however many requests there are
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        largest: int = LARGEST_BODY,
        seconds: float = _BODY_TIMEOUT,
        most: int = MOST_REQUESTS,
        exempt: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._largest = largest
        self._seconds = seconds
        self._most = most
        self._exempt = tuple(exempt)
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request whose body arrives in time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_exempt = scope["path"].startswith(self._exempt)
        if self._working >= self._most and not is_exempt:
            await self._refuse(scope, receive, send)
            return
        body = await self._body(scope, receive, send)
        if body is None:
            return
        # A request counts once it is whole, so that one whose body never ends keeps nobody out.
        if self._working >= self._most and not is_exempt:
            await self._refuse(scope, receive, send)
            return
        self._working += 1
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._working -= 1

    async def _body(self, scope: Scope, receive: Receive, send: Send) -> bytes | None:
        """Return the body; None if the client has gone, or was told what is wrong."""
        if _length(scope) > self._largest:
            await self._refuse_large(scope, receive, send)
            return None
        try:
            body = await asyncio.wait_for(_read(receive, self._largest), self._seconds)
        except TimeoutError:
            await failure(scope, 408, "The body did not arrive in time.", _CLOSE)(scope, receive, send)
            return None
        if body is not None and len(body) > self._largest:
            await self._refuse_large(scope, receive, send)
            return None
        return body

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        sentence = "The server is busy; try again in a moment."
        await failure(scope, 503, sentence, {"Retry-After": "1"})(scope, receive, send)

    async def _refuse_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        sentence = f"The body is larger than {self._largest:,} bytes."
        await failure(scope, 413, sentence, _CLOSE)(scope, receive, send)


_CLOSE = {"Connection": "close"}


def _length(scope: Scope) -> int:
    given = Headers(scope=scope).get("content-length", "0")
    return int(given) if given.isdecimal() and len(given) < 20 else 0


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return the body, or a beginning that is longer than allowed; None if the client has gone."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most or not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a channel that gives the body in one message, and then waits for the client to go."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
