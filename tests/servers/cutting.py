"""A proxy in front of Postgres that cuts the connection at a statement, or is away for a while."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

__all__ = ["CuttingProxy"]

# The messages that make Postgres do a statement: a simple query, and an execution in the extended protocol.
_STATEMENTS = (b"Q", b"E")
_SYNC = b"S\0\0\0\4"
_DONE_SECONDS = 10.0


class CuttingProxy:
    """Passes on what clients and a Postgres on a unix socket say, until the `with` block ends.

    :param server_dsn: the connection string of the Postgres
    """

    def __init__(self, server_dsn: str) -> None:
        given = conninfo_to_dict(server_dsn)
        self._user = given["user"]
        self._path = f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}"
        self._lock = threading.Lock()
        self._left = 0
        self._is_done = False
        self._is_away = False
        self._pairs: list[_Pair] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def dsn(self, name: str) -> str:
        """Return the connection string of a database through this proxy."""
        port = self._listener.getsockname()[1]
        return make_conninfo(
            host="127.0.0.1", port=port, user=self._user, dbname=name, sslmode="disable", gssencmode="disable"
        )

    def cut(self, statement: int, *, is_done: bool) -> None:
        """Cut the connection that brings the n-th statement from now on; all others live.

        :param is_done: let Postgres do the statement, and lose its reply
        """
        with self._lock:
            self._left, self._is_done = statement, is_done

    def end(self) -> bool:
        """Cut no more; return whether a connection was cut."""
        with self._lock:
            was_cut, self._left = self._left <= 0, 0
            return was_cut

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Hang up on everybody, and on everybody who comes, as a server that has stopped."""
        with self._lock:
            self._is_away, pairs, self._pairs = True, self._pairs, []
        for pair in pairs:
            pair.close()
        try:
            yield
        finally:
            with self._lock:
                self._is_away = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_away:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pair = _Pair(client, server)
                self._pairs.append(pair)
            threading.Thread(target=self._pass_on, args=(pair,), daemon=True).start()
            threading.Thread(target=pair.pass_back, daemon=True).start()

    def _pass_on(self, pair: _Pair) -> None:
        """Pass messages on to Postgres, and count the statements among them."""
        client, server = pair.client, pair.server
        with contextlib.closing(pair), contextlib.suppress(OSError):
            incoming = client.makefile("rb")
            kind = b""  # the first message has none
            while head := incoming.read(4):
                (length,) = struct.unpack("!I", head)
                message = kind + head + incoming.read(length - 4)
                if kind in _STATEMENTS and self._is_the_one():
                    pair.is_lost.set()
                    if self._is_done:
                        server.sendall(message + (_SYNC if kind == b"E" else b""))
                        server.shutdown(socket.SHUT_WR)
                        pair.is_drained.wait(_DONE_SECONDS)
                    return
                server.sendall(message)
                if not (kind := incoming.read(1)):
                    return

    def _is_the_one(self) -> bool:
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            if self._left:
                return False
            self._left = -1
            return True


class _Pair:
    """The connection of a client and the one to Postgres that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        #: what Postgres says goes nowhere
        self.is_lost = threading.Event()
        #: Postgres has done everything, and hung up
        self.is_drained = threading.Event()

    def pass_back(self) -> None:
        """Pass on what Postgres says."""
        with contextlib.suppress(OSError):
            while data := self.server.recv(65_536):
                if not self.is_lost.is_set():
                    self.client.sendall(data)
        self.is_drained.set()
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up on both sides."""
        for line in (self.client, self.server):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
