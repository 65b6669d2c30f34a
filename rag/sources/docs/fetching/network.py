"""An httpx transport that refuses private addresses, which a docs site could make the crawler fetch.

Each connection resolves its host name once and connects to the address that was checked, so that a name which resolves
differently a moment later cannot bypass the check.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from rag.net.connections import LimitedBackend, LimitedStream, SocketOption, connect_by
from rag.net.hosts import LOOPBACK

__all__ = [
    "AddressGuard",
    "Deadline",
    "ForbiddenAddressError",
    "GuardedTransport",
    "ProxyTransport",
    "UnknownHostError",
    "is_public",
]

_QUICKACK: int = getattr(socket, "TCP_QUICKACK", 0)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
# Global for Python 3.11, yet reachable only from inside: services of Oracle's and Azure's clouds among them.
_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "3fff::/20")
)
_ISATAP = (0x00005EFE, 0x02005EFE)


class ForbiddenAddressError(Exception):
    """A host name resolves to a private, loopback or link-local address."""


class UnknownHostError(Exception):
    """A host name does not exist."""


def is_public(address: str) -> bool:
    """Return whether an IP address is public, including IPv4 addresses embedded in IPv6 ones."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _embedded(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _INSIDE)


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address end at, None for a native one."""
    low = int(ip) & 0xFFFFFFFF
    if ip in _NAT64 or (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(low)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


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


class _Stream(LimitedStream):
    """A connection whose reads and writes end by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        super().__init__(stream)
        self._deadline = deadline
        found = stream.get_extra_info("socket")
        self._socket: socket.socket | None = found if isinstance(found, socket.socket) else None

    def left(self, timeout: float | None) -> float | None:
        return self._deadline.left(timeout)

    def limited(self, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        return _Stream(stream, self._deadline)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._socket and _QUICKACK:
            # A server that sends head and body in two packets waits for an acknowledgement in between, which the kernel
            # delays by 40 ms: measured, 22 pages/s instead of several hundred. The option is reset by each read.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return super().read(max_bytes, timeout)

    def close(self) -> None:
        # A thread that reads is not woken by closing the socket: it would wait for the rest of its timeout.
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        super().close()


class AddressGuard:
    """Decides which addresses a host name may have.

    :param trusted: hosts of the configuration, which may be private
    :param private: whether the address of each host was private when it was first seen; it is added to
    """

    def __init__(self, trusted: Iterable[str], private: Mapping[str, bool] | None = None) -> None:
        self._trusted = frozenset(trusted)
        self._private = dict(private or {})

    @property
    def private(self) -> dict[str, bool]:
        """Whether the address of each trusted host was private when it was first seen."""
        return dict(self._private)

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host.

        :raises UnknownHostError: the host does not exist
        :raises ForbiddenAddressError: the host has a private address, and is not trusted to have one
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
                raise UnknownHostError(f"the host {host} does not exist") from error
            raise httpcore.ConnectError(f"the name {host} could not be resolved: {error.strerror}") from error
        except UnicodeError as error:
            raise UnknownHostError(f"{host} is not the name of a host") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        private = [address for address in addresses if not is_public(address)]
        if host in self._trusted:
            # A host of the configuration may be private, but not become so later, in this crawl or the next.
            if self._private.setdefault(host, bool(private)) or not private:
                return addresses
            raise ForbiddenAddressError(
                f"{host} had a public address before and now resolves to the private address {private[0]}, which is "
                "refused; if the site has moved into your network, remove the source with rag.remove and sync it anew"
            )
        if private:
            raise ForbiddenAddressError(f"{host} resolves to the private address {private[0]}, which is refused")
        return addresses


def _timed(deadline: Deadline) -> LimitedBackend:
    """Return a backend that connects within the deadline of a request, and whose connections keep it."""
    return LimitedBackend(partial(_Stream, deadline=deadline), deadline.left)


class _GuardedBackend(httpcore.SyncBackend):
    """Resolves a host name, checks its addresses, then connects to one of them."""

    def __init__(self, guard: AddressGuard, deadline: Deadline) -> None:
        self._guard = guard
        self._timed = _timed(deadline)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._guard.addresses(host, port):
            try:
                return self._timed.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class GuardedTransport(httpx.HTTPTransport):
    """An httpx transport that refuses private addresses and ends slow responses.

    :param connections: the maximum number of open connections
    """

    def __init__(self, *, guard: AddressGuard, connections: int, deadline: Deadline) -> None:
        super().__init__(
            http2=True,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        connect_by(self, _GuardedBackend(guard, deadline))


class ProxyTransport(httpx.HTTPTransport):
    """An httpx transport that speaks through a proxy, refuses private addresses and ends slow responses.

    The proxy resolves host names, so only an address that this machine knows can be refused.

    :param proxy: the URL of the proxy
    """

    def __init__(self, proxy: str, *, guard: AddressGuard, deadline: Deadline) -> None:
        super().__init__(proxy=proxy)
        self._guard = guard
        connect_by(self, _timed(deadline))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        :raises ForbiddenAddressError: the host has a private address
        """
        url = request.url
        # Behind some proxies no name of the outside is known.
        with contextlib.suppress(UnknownHostError, httpcore.ConnectError):
            self._guard.addresses(url.host, url.port or (443 if url.scheme == "https" else 80))
        return super().handle_request(request)


def proxy_for(url: httpx.URL) -> str | None:
    """Return the proxy that the environment sets for a URL; None for loopback addresses."""
    if url.host in LOOPBACK:
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy and not proxy_bypass(url.host) else None
