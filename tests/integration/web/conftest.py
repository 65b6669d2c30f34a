"""The web page, served by uvicorn on loopback with a real engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from rag.engine import Engine
from rag.web import create_app
from tests.servers.memory_source import MemorySource, page

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


@pytest.fixture
def address(empty_engine: Engine) -> Iterator[str]:
    """The address of the page."""
    empty_engine.syncs.ingest(MemorySource(PAGES))
    yield from _served(empty_engine)


@pytest.fixture
def empty_address(empty_engine: Engine) -> Iterator[str]:
    """The address of the page with an empty index."""
    yield from _served(empty_engine)


def _served(engine: Engine) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(engine), port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
