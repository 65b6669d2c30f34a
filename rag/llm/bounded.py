"""A client for servers of models whose replies end: within a time, however slowly they are sent, and within a size."""

from __future__ import annotations

import time
import typing
from collections.abc import Iterable

import httpcore
import httpx
import openai

__all__ = ["bounded_client"]

#: In bytes; 128 vectors of 4,096 numbers have 12 MB.
_LARGEST = 64_000_000
_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


def bounded_client(*, timeout: float, whole: float) -> httpx.Client:
    """Return an HTTP client for `openai.OpenAI`.

    A timeout of httpx is for each part of a reply: a server that sends a byte now and then would hold it for ever.

    :param timeout: seconds to connect, and between two parts of a reply
    :param whole: seconds from the end of a request to the end of its reply
    """
    client = openai.DefaultHttpxClient(timeout=timeout)
    for transport in (client._transport, *client._mounts.values()):  # the latter are proxies
        if isinstance(transport, httpx.HTTPTransport):
            # httpx has no argument for httpcore's network backend.
            transport._pool._network_backend = _Backend(whole)
    return client


class _Stream(httpcore.NetworkStream):
    """A connection on which each reply ends."""

    def __init__(self, stream: httpcore.NetworkStream, whole: float) -> None:
        self._stream, self._whole = stream, whole
        self._until, self._read = time.monotonic() + whole, 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the reply took too long")
        data = self._stream.read(max_bytes, left if timeout is None else min(left, timeout))
        self._read += len(data)
        if self._read > _LARGEST:
            raise httpcore.ReadError("the reply is too large")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)
        self._until, self._read = time.monotonic() + self._whole, 0

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: typing.Any,  # noqa: ANN401 - httpcore's
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._whole)

    def get_extra_info(self, info: str) -> typing.Any:  # noqa: ANN401 - httpcore's
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Makes such connections."""

    def __init__(self, whole: float) -> None:
        self._whole = whole

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options), self._whole)
