"""HTTP over a socket, with a limit on how long a request's head may take, and on how many connections wait."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["PatientProtocol"]


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, which closes a connection whose request does not come, or whose response is not read.

    Where there are too many connections, the one that has been without a request longest makes room: a client that
    opens a thousand and sends nothing locks nobody out.
    """

    #: in seconds, from the connection or the first byte of a request to the end of its head
    head_timeout: ClassVar[float] = 10.0
    #: in seconds, how long a client may stop reading a response
    read_timeout: ClassVar[float] = 60.0
    most_connections: ClassVar[int] = 400
    #: in bytes: the longest query string that the OpenAPI document permits is a text of 20,000 characters, a document's
    #: URL and its id, each character of which may take twelve bytes
    largest_head: ClassVar[int] = 400_000

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        self.conn = h11.Connection(h11.SERVER, self.largest_head)
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._since = time.monotonic()
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Handle what arrived; go on waiting if it is not a whole head."""
        super().data_received(data)
        # uvicorn closes an idle connection after a request, but not one on which the next request never ends.
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.read_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting for the client to read."""
        _cancel(self._unread)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        _cancel(self._unread)
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered, or the body of one has not arrived."""
        return self.cycle is None or self.cycle.response_complete or self.conn.their_state is h11.SEND_BODY

    def _wait(self) -> None:
        if self._waiting is None:
            self._since = time.monotonic()
            self._waiting = self.loop.call_later(self.head_timeout, self.transport.close)

    def _stop_waiting(self) -> None:
        _cancel(self._waiting)
        self._waiting = None

    def _make_room(self) -> None:
        others = [one for one in cast(set[Any], self.connections) if isinstance(one, PatientProtocol)]
        longest = min((one for one in others if one.is_idle), key=lambda one: one._since, default=self)
        longest.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
