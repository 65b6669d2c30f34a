"""The web application of this project, served on loopback by the server that `python -m rag.web` starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from rag.engine import Engine
from rag.web import create_app
from rag.web.guard.limits import MOST_REQUESTS
from rag.web.guard.protocol import PatientProtocol
from tests.servers.memory_source import page

PAGES = [
    page(
        "backup",
        "## One database {#one}\n\nUse pg_dump to write one database to a file:\n\n```sh\npg_dump mydb > mydb.sql\n```",
        title="Backup",
    ),
    page("vacuum", "VACUUM reclaims the space of dead rows. Autovacuum runs it for you.", title="Vacuum"),
    page(
        "hostile",
        "The hostile page says <script>document.title = 'owned'</script> and <img src=x onerror=alert(1)>.",
        title="<b>Hostile</b> page",
    ),
]


class Served:
    """A server with an engine's application, in a thread of its own.

    :param host: the address that the application believes to be served on
    """

    def __init__(
        self, engine: Engine, *, host: str, protocol: type[PatientProtocol], most_requests: int = MOST_REQUESTS
    ) -> None:
        app = create_app(engine, host=host, most_requests=most_requests)
        self._server = uvicorn.Server(
            uvicorn.Config(app, http=protocol, ws="none", port=0, log_level="error", access_log=False)
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.address = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Tell the server to stop, as SIGTERM does."""
        self._server.should_exit = True

    def join(self) -> None:
        """Wait until the server has stopped."""
        self._thread.join()


@contextmanager
def served(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    protocol: type[PatientProtocol] = PatientProtocol,
    most_requests: int = MOST_REQUESTS,
) -> Iterator[str]:
    """Serve an engine's application on loopback and yield its address."""
    server = Served(engine, host=host, protocol=protocol, most_requests=most_requests)
    yield server.address
    server.stop()
    server.join()
