"""Connections of httpx that a subclass limits.

A timeout of httpx is for each read: a server that sends a byte now and then would hold a request for ever.
"""

from __future__ import annotations

import ssl
import typing
from collections.abc import Callable, Iterable

import httpcore
import httpx

__all__ = ["LimitedBackend", "LimitedStream", "SocketOption", "connect_by"]

#: As in httpcore, which does not export it.
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class LimitedStream(httpcore.NetworkStream):
    """A connection that passes everything on; a subclass shortens its timeouts, or counts what it reads."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def left(self, timeout: float | None) -> float | None:
        """Return the seconds that the next read, write or handshake may take.

        :param timeout: what httpx permits, in seconds; None for no limit
        :raises httpcore.ReadTimeout: no time is left
        """
        return timeout

    def limited(self, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        """Return the connection, after its TLS handshake, with the limits of this one."""
        raise NotImplementedError

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read at most `max_bytes` bytes."""
        return self._stream.read(max_bytes, self.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`."""
        self._stream.write(buffer, self.left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the connection after a TLS handshake."""
        return self.limited(self._stream.start_tls(ssl_context, server_hostname, self.left(timeout)))

    def get_extra_info(self, info: str) -> typing.Any:  # noqa: ANN401 - httpcore's
        """Return what httpcore knows of the connection, such as its `socket`."""
        return self._stream.get_extra_info(info)


class LimitedBackend(httpcore.SyncBackend):
    """Opens connections with limits.

    :param limited: gives a connection its limits
    :param left: shortens the timeout of connecting, in seconds
    """

    def __init__(
        self,
        limited: Callable[[httpcore.NetworkStream], httpcore.NetworkStream],
        left: Callable[[float | None], float | None] = lambda timeout: timeout,
    ) -> None:
        self._limited = limited
        self._left = left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host."""
        return self._limited(super().connect_tcp(host, port, self._left(timeout), local_address, socket_options))


def connect_by(transport: httpx.HTTPTransport, backend: httpcore.NetworkBackend) -> None:
    """Let a transport open its connections by a backend of httpcore, for which httpx has no argument."""
    transport._pool._network_backend = backend
