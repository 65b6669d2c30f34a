"""Connections to GitHub whose replies end: within a time, however slowly the server sends, and within a size."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import requests
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["bound"]

#: The longest time for a whole reply, in timeouts. GitHub itself gives up a request after ten seconds.
_TIMEOUTS = 2
#: In bytes; a page of a hundred comments of the greatest length has 26 MB.
_LARGEST = 64_000_000
_PART = 65_536


def bound(requester: Requester) -> None:
    """Let a requester of PyGithub give up replies that have no end."""
    name = "_Requester__connectionClass"  # what PyGithub makes connections of; its public way is for the whole process
    classes = {HTTPRequestsConnectionClass: _Plain, HTTPSRequestsConnectionClass: _Secure}
    setattr(requester, name, classes[getattr(requester, name)])


class _Adapter(HTTPAdapter):
    """Sends one request at a time, and gives up a reply that is not there in time."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - those of requests
        self._sockets: WeakSet[socket.socket] = WeakSet()
        super().__init__(**settings)

    def init_poolmanager(self, *given: Any, **settings: Any) -> None:  # noqa: ANN401 - as in requests
        """Make pools of connections that are known here."""
        super().init_poolmanager(*given, **settings)
        self.poolmanager.pool_classes_by_scheme = _pools(self._sockets)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,  # noqa: ANN401 - as in requests
        verify: bool | str = True,
        cert: Any = None,  # noqa: ANN401
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send a request, and read its reply.

        :raises requests.ReadTimeout: the reply is not there in time
        :raises requests.ConnectionError: the reply is too large, or the connection fails
        """
        del stream
        with self._within(_TIMEOUTS * float(timeout)):
            reply = super().send(request, True, timeout, verify, cert, proxies)
            parts, size = [], 0
            for part in reply.iter_content(_PART):
                parts.append(part)
                size += len(part)
                if size > _LARGEST:
                    reply.close()
                    raise requests.ConnectionError(f"the reply is larger than {_LARGEST / 1e6:.0f} MB")
            reply._content = b"".join(parts)
        return reply

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            for line in list(self._sockets):
                with suppress(OSError):
                    socket.socket.shutdown(line, socket.SHUT_RDWR)

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except requests.RequestException:
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if late.is_set():
            raise requests.ReadTimeout(f"the reply took longer than {seconds:g} s")


def _pools(sockets: WeakSet[socket.socket]) -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools by scheme, whose connections add their sockets to a set."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _Plain(HTTPRequestsConnectionClass):
    """PyGithub's connection by HTTP."""

    def __init__(self, *given: Any, **settings: Any) -> None:  # noqa: ANN401 - as in PyGithub
        super().__init__(*given, **settings)
        self.session.mount("http://", _Adapter(max_retries=self.retry, pool_maxsize=self.pool_size))


class _Secure(HTTPSRequestsConnectionClass):
    """PyGithub's connection by HTTPS."""

    def __init__(self, *given: Any, **settings: Any) -> None:  # noqa: ANN401 - as in PyGithub
        super().__init__(*given, **settings)
        self.session.mount("https://", _Adapter(max_retries=self.retry, pool_maxsize=self.pool_size))
