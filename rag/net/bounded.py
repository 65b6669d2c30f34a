"""Replies that end: within a time, however slowly a server sends them, and within a size."""

from __future__ import annotations

import time
from functools import partial

import httpcore
import httpx

from rag.net.connections import LimitedBackend, LimitedStream, connect_by

__all__ = ["bounded"]

#: In bytes; 128 vectors of 4,096 numbers have 12 MB.
_LARGEST = 64_000_000


def bounded(client: httpx.Client, *, whole: float) -> httpx.Client:
    """Return an HTTP client after limiting its replies.

    :param whole: seconds from the end of a request to the end of its reply
    """
    for transport in (client._transport, *client._mounts.values()):  # the latter are proxies
        if isinstance(transport, httpx.HTTPTransport):
            connect_by(transport, LimitedBackend(partial(_Stream, whole=whole)))
    return client


class _Stream(LimitedStream):
    """A connection on which each reply ends."""

    def __init__(self, stream: httpcore.NetworkStream, whole: float) -> None:
        super().__init__(stream)
        self._whole = whole
        self._await_reply()

    def _await_reply(self) -> None:
        self._until, self._read = time.monotonic() + self._whole, 0

    def limited(self, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        return _Stream(stream, self._whole)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the reply took too long")
        data = super().read(max_bytes, left if timeout is None else min(left, timeout))
        self._read += len(data)
        if self._read > _LARGEST:
            raise httpcore.ReadError("the reply is too large")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        super().write(buffer, timeout)
        self._await_reply()
