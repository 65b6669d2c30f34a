"""An httpx transport that refuses private addresses, which a docs site could make the crawler fetch.

Each connection resolves its host name once and connects to the address that was checked, so that a name which resolves
differently a moment later cannot bypass the check.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
import typing
from collections.abc import Iterable
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

__all__ = ["Deadline", "ForbiddenAddressError", "GuardedTransport", "UnknownHostError", "is_public"]

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
_QUICKACK: int = getattr(socket, "TCP_QUICKACK", 0)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A host name resolves to a private, loopback or link-local address."""


class UnknownHostError(Exception):
    """A host name does not exist."""


def is_public(address: str) -> bool:
    """Return whether an IP address is public, including IPv4 addresses embedded in IPv6 ones."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class Deadline:
    """The time by which the current request of each thread must end, however slowly the server sends."""

    def __init__(self) -> None:
        self._local = threading.local()

    def set(self, seconds: float) -> None:
        """Give the next request of this thread a number of seconds."""
        self._local.at = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float | None:
        """Return the shorter of a timeout and the time left.

        :raises httpcore.ReadTimeout: no time is left
        """
        at: float | None = getattr(self._local, "at", None)
        if at is None:
            return timeout
        left = at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the response took too long")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        found = stream.get_extra_info("socket")
        self._socket: socket.socket | None = found if isinstance(found, socket.socket) else None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._socket and _QUICKACK:
            # A server that sends head and body in two packets waits for an acknowledgement in between, which the kernel
            # delays by 40 ms: measured, 22 pages/s instead of several hundred. The option is reset by each read.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout)), self._deadline
        )

    def get_extra_info(self, info: str) -> typing.Any:  # noqa: ANN401 - httpcore's
        return self._stream.get_extra_info(info)


class _GuardedBackend(httpcore.SyncBackend):
    """Resolves a host name, checks its addresses, then connects to one of them."""

    def __init__(self, trusted: Iterable[str], deadline: Deadline) -> None:
        self._trusted = frozenset(trusted)
        self._private: dict[str, bool] = {}
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._resolve(host, port):
            try:
                stream = super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
                raise UnknownHostError(f"the host {host} does not exist") from error
            raise httpcore.ConnectError(f"the name {host} could not be resolved: {error.strerror}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        private = [address for address in addresses if not is_public(address)]
        # A host of the configuration may be private, but not become so later.
        allowed = host in self._trusted and self._private.setdefault(host, bool(private))
        if private and not allowed:
            raise ForbiddenAddressError(f"{host} resolves to the private address {private[0]}, which is refused")
        return addresses


class GuardedTransport(httpx.HTTPTransport):
    """An httpx transport that refuses private addresses and ends slow responses.

    :param trusted: hosts of the configuration, which may be private
    :param connections: the maximum number of open connections
    """

    def __init__(self, *, trusted: Iterable[str], connections: int, deadline: Deadline) -> None:
        super().__init__(
            http2=True,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        # httpx has no argument for httpcore's network backend.
        self._pool._network_backend = _GuardedBackend(trusted, deadline)


def proxy_for(url: httpx.URL) -> str | None:
    """Return the proxy that the environment sets for a URL; None for loopback addresses."""
    if url.host in ("localhost", "127.0.0.1", "::1"):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy and not proxy_bypass(url.host) else None
