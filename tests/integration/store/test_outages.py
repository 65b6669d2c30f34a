"""Postgres is away for a while: questions wait through a restart, and end at once in a longer outage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rag.engine import Engine
from rag.errors import DatabaseAway, DatabaseError
from rag.settings import Settings
from rag.store.postgres.outages import Outage, Server, state_after
from tests.encoders import RememberingEncoder
from tests.processes import wait_for
from tests.servers.cutting import CuttingProxy
from tests.servers.web import served


@pytest.fixture
def proxy(server_dsn: str) -> Iterator[CuttingProxy]:
    """A proxy in front of Postgres, which can be away."""
    with CuttingProxy(server_dsn) as proxy:
        yield proxy


@pytest.fixture
def engine(proxy: CuttingProxy, dsn: str, home: Path, encoder: RememberingEncoder, tmp_path: Path) -> Iterator[Engine]:
    """An engine whose Postgres is behind the proxy."""
    url = proxy.dsn(str(conninfo_to_dict(dsn)["dbname"]))
    settings = Settings(RAG_HOME=home, RAG_DATABASE_URL=url, RAG_SOURCES=tmp_path / "sources.toml")
    with Engine.open(settings, encoder=encoder) as engine:
        yield engine


def test_a_read_waits_through_a_restart(engine: Engine, proxy: CuttingProxy) -> None:
    engine.store.sources.register("docs", "docs")
    away = proxy.away()
    away.__enter__()
    threading.Timer(0.3, away.__exit__, (None, None, None)).start()
    assert engine.store.sources.exists("docs")


def test_a_longer_outage_is_a_calm_page_until_it_is_over(engine: Engine, proxy: CuttingProxy) -> None:
    answer = "/answers/00000000-0000-0000-0000-000000000000"
    with served(engine) as address, httpx.Client(base_url=address, timeout=60) as reader:
        assert reader.get("/").status_code == 200
        with proxy.away():
            for page in (reader.get("/"), reader.get(answer), reader.post(answer, data={"thumb": "up"})):
                assert page.status_code == 503
                assert int(page.headers["Retry-After"]) > 0
                assert "The database does not answer now. Try again in a moment." in page.text
            for reply in (reader.get("/api/v1/sources"), reader.get("/healthz"), reader.get("/map/data")):
                assert reply.status_code == 503
                assert int(reply.headers["Retry-After"]) > 0
                assert reply.json()["error"]
        wait_for(lambda: reader.get("/").status_code == 200, seconds=30, else_show=lambda: reader.get("/").text)
        assert reader.get("/api/v1/sources").json() == {"sources": []}


def test_a_write_in_an_outage_is_one_line(engine: Engine, proxy: CuttingProxy) -> None:
    with proxy.away(), pytest.raises(DatabaseError) as error, engine.store.transaction():
        pass
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("state", [Server.AWAY, Server.STARTING])
def test_an_old_outage_lets_nobody_wait(state: Server) -> None:
    outage = Outage(lambda: state, first=state)
    outage.wait()
    outage.suspect(time.monotonic() - 3600)
    with pytest.raises(DatabaseAway, match="Try again"):
        outage.wait()
    outage.close()


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', Server.AWAY),
        ("connection timeout expired", Server.AWAY),
        ('connection to server on socket "/x" failed: FATAL:  the database system is starting up', Server.STARTING),
        (
            'connection to server on socket "/x" failed: FATAL:  the database system is in recovery mode',
            Server.STARTING,
        ),
        ('connection to server on socket "/x" failed: FATAL:  sorry, too many clients already', Server.UP),
    ],
)
def test_a_server_that_answers_is_told_from_one_that_is_away(said: str, state: Server) -> None:
    assert state_after(psycopg.OperationalError(said)) is state


def test_who_waits_goes_on_when_the_server_is_back() -> None:
    is_up = threading.Event()
    outage = Outage(lambda: Server.UP if is_up.is_set() else Server.STARTING, first=Server.STARTING)
    outage.suspect()
    threading.Timer(0.2, is_up.set).start()
    outage.wait()
    assert is_up.is_set()
    outage.suspect(time.monotonic() - 3600)
    outage.wait()


def test_an_embedded_server_that_does_not_start_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Its reason is for the log; the next look finds it started."""
    looks: list[int] = []

    def look() -> Server:
        looks.append(1)
        if len(looks) < 3:
            raise DatabaseError("The embedded Postgres does not start: out of luck.")
        return Server.UP

    outage = Outage(look, first=Server.STARTING)
    outage.suspect()
    outage.wait()
    assert len(looks) == 3
    assert [record.getMessage() for record in caplog.records][:1] == [
        "The embedded Postgres does not start: out of luck."
    ]
    assert sum("out of luck" in record.getMessage() for record in caplog.records) == 1
