"""Break off what the product talks to, in every way, and see what is left: `python -m bench chaos --faults`.

Each round starts from an index of the first version of a small source. Its second version is synced while one of its
servers breaks off each reply of one kind, or while the connection to Postgres is lost at one statement. The sync must end in
time, with one clear line if it fails, and must lose nothing and store nothing half. Then the next sync, which nothing
disturbs, must leave what it leaves without the first. Questions are disturbed in the same way; the next one must be answered.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.faults import invariants
from bench.faults.worlds import WORLDS, Asked, World
from bench.report import Table, wrong_table
from rag.engine import Engine
from rag.errors import RagError
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from tests.servers.cutting import CuttingProxy
from tests.servers.faulty import FAULTS

__all__ = ["CUTS", "Cut", "Outcome", "faulty_servers", "lost_connections", "run_faults", "without_disk"]

#: The longest that a disturbed sync or question may take, in seconds; timeouts are a second here, and two requests a try.
_LIMIT = 20.0
_LONGEST_LINE = 600
#: The places that are disturbed at a time.
_AT_ONCE = 4
_NOT_A_SENTENCE = ("Traceback", "error of this program", "<html", "object at 0x", "\\n")


class Cut(NamedTuple):
    """Where connections are cut: in a sync or a question of a world, before or after a statement is done."""

    world: str
    what: Literal["a sync", "a question"]
    when: Literal["before", "after"]


CUTS = tuple(
    Cut(world.name, what, when)
    for world in WORLDS
    if world.cuts
    for what in (("a sync", "a question") if world.asks else ("a sync",))
    for when in ("before", "after")
)


@dataclass(slots=True)
class Outcome:
    """How the rounds of one place ended; `wrong` says what did not hold, one line each."""

    place: str
    rounds: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


def run_faults(share: int = 1, shares: int = 1, places: Sequence[str] = ()) -> Iterator[Table]:
    """Yield the tables of all faults, and what was wrong; say on stderr how far it is.

    Most of the time is spent waiting for servers that are silent or slow, so several places are disturbed at a time.

    :param share: the part of the rounds, from 1, of `shares` parts
    :param places: the kinds of replies; if some are named, only these are disturbed, and no connection is lost
    """
    wrong: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rag-chaos-") as folder, _processes() as pool:
        home = Path(folder) / "home"
        dsn = embedded_dsn(home)
        without_disk(dsn)
        faults = list(FAULTS)[share - 1 :: shares]
        named = [place for world in WORLDS for place in world.places if not places or place in places]
        servers = [pool.submit(_servers, dsn, faults, place) for place in named]
        connections = [pool.submit(_connections, dsn, share, shares, cut) for cut in CUTS if not places]
        try:
            for title, rounds in (
                ("Servers that break off", servers),
                ("Connections to Postgres that are lost", connections),
            ):
                for done in as_completed(rounds):
                    one = done.result()
                    minutes = (time.monotonic() - started) / 60
                    said = [f"{minutes:.1f} min: {one.place}: {one.rounds} rounds, {len(one.wrong)} wrong", *one.wrong]
                    print(*said, sep="\n  ", file=sys.stderr, flush=True)
                table = Table(title, ["place", "rounds", "how they ended", "slowest, s", "wrong"])
                for one in [done.result() for done in rounds]:
                    ends = ", ".join(f"{count} {end}" for end, count in sorted(one.ends.items()))
                    table.add(one.place, one.rounds, ends, one.slowest, len(one.wrong))
                    wrong += one.wrong
                yield table
        finally:
            pool.shutdown(cancel_futures=True)
            stop_embedded(home)
    yield from wrong_table(wrong)


def without_disk(server_dsn: str) -> None:
    """Let Postgres not wait for the disk.

    A killed process leaves its writes to the operating system, so waiting would prove nothing. After a crash, Postgres would
    sync each file of each copy by itself, which takes minutes on a busy disk.

    :param server_dsn: the connection string of a Postgres superuser
    """
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")


def _processes() -> ProcessPoolExecutor:
    """Return processes that log nothing: each round would."""
    spawning = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(_AT_ONCE, mp_context=spawning, initializer=logging.disable)


def _servers(dsn: str, faults: Sequence[str], place: str) -> Outcome:
    (outcome,) = faulty_servers(dsn, places=[place], faults=faults)
    return outcome


def _connections(dsn: str, start: int, every: int, cut: Cut) -> Outcome:
    (outcome,) = lost_connections(dsn, cuts=[cut], start=start, every=every)
    return outcome


def faulty_servers(
    server_dsn: str, *, places: Sequence[str] = (), faults: Sequence[str] = tuple(FAULTS)
) -> Iterator[Outcome]:
    """Break off each kind of reply in each way; yield the outcome of each kind.

    :param server_dsn: the connection string of a Postgres superuser
    :param places: the kinds of replies; all, if none is named
    """
    for make in WORLDS:
        named = [place for place in make.places if not places or place in places]
        if not named:
            continue
        with make() as world, _Rounds(server_dsn, world) as rounds:
            for place in named:
                outcome = Outcome(f"{world.name}: {place}")
                for fault in faults:
                    rounds.broken_server(place, fault, outcome)
                yield outcome


def lost_connections(
    server_dsn: str, *, cuts: Sequence[Cut] = CUTS, start: int = 1, every: int = 1
) -> Iterator[Outcome]:
    """Lose the connection to Postgres at each statement, before it arrives or after it was done; yield each outcome.

    :param start: the first statement that is cut, from 1
    :param every: the step from one statement that is cut to the next
    """
    for make in WORLDS:
        named = [cut for cut in cuts if cut.world == make.name]
        if not named:
            continue
        with make() as world, _Rounds(server_dsn, world) as rounds, CuttingProxy(server_dsn) as proxy:
            for cut in named:
                outcome = Outcome(f"{world.name}: {cut.what}, {cut.when} a statement is done")
                statement = start
                while rounds.lost_connection(proxy, statement, cut, outcome):
                    statement += every
                yield outcome


class _Rounds:
    """Rounds with one world, each on a copy of the database that the world's first version leaves."""

    def __init__(self, server_dsn: str, world: World) -> None:
        self._server_dsn, self._world = server_dsn, world
        self._names = (f"faults_{os.getpid()}", f"faulty_{os.getpid()}")
        self._before: dict[str, invariants.Document] = {}
        self._allowed = invariants.Allowed({})
        self._kept: set[str] = set()
        self._end = ""
        self._answer = ""

    def __enter__(self) -> _Rounds:
        self._execute("CREATE DATABASE {before}")
        with self._engine(self._names[0]) as engine:
            self._world.first(engine)
        self._before = invariants.documents(self._dsn(self._names[0]))
        with self._copy() as name:
            with self._engine(name) as engine:
                self._world.second(engine)
                self._answer = self._world.ask(engine).text if self._world.asks else ""
            after = invariants.documents(self._dsn(name))
            self._allowed = invariants.Allowed.of(self._before, after)
            self._kept = self._before.keys() & after.keys()
            self._end = invariants.digest(self._dsn(name), cursors=False)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._execute("DROP DATABASE {before} WITH (FORCE)")

    def broken_server(self, place: str, fault: str, outcome: Outcome) -> None:
        """Break each reply of a kind, then let the server be."""
        world = self._world
        with self._copy() as name, self._engine(name) as engine:
            if world.asks:
                world.second(engine)
            world.server.break_off(FAULTS[fault], world.places[place])
            wrong = self._tried(engine, world.asks, outcome, until=world.server.mend)
            world.server.mend()
            if fault != "connection refused" and not world.server.broken:
                wrong.append("no request met the fault")
            wrong += self._left(name, may_lose=world.may_lose(place, fault)) + self._next(name, engine)
            outcome.wrong += [f"{outcome.place}, {fault}: {one}" for one in wrong]

    def lost_connection(self, proxy: CuttingProxy, statement: int, cut: Cut, outcome: Outcome) -> bool:
        """Cut the connection at a statement; return False if there are not so many."""
        question = cut.what == "a question"
        with self._copy() as name:
            if question:
                with self._engine(name) as engine:
                    self._world.second(engine)
            with Engine(
                self._world.settings, Database(proxy.dsn(name), embedded=True), encoder=self._world.encoder
            ) as engine:
                proxy.cut(statement, is_done=cut.when == "after")
                wrong = self._tried(engine, question, outcome, until=lambda: None)
                was_cut = proxy.end()
                if was_cut:
                    wrong += self._left(name, may_lose=set()) + self._next(name, engine)
            outcome.wrong += [f"{outcome.place} {statement}: {one}" for one in wrong]
            return was_cut

    def _tried(self, engine: Engine, question: bool, outcome: Outcome, *, until: Callable[[], None]) -> list[str]:
        """Sync or ask while something is broken; count how it ends, and return what is wrong with that."""
        ended: list[Asked | Exception] = []

        def work() -> None:
            try:
                ended.append(self._world.ask(engine) if question else self._world.second(engine))
            except Exception as error:  # noqa: BLE001 - every one is looked at
                ended.append(error)

        started = time.monotonic()
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(_LIMIT)
        wrong = []
        if thread.is_alive():
            wrong.append(f"it has not ended after {_LIMIT:.0f} s")
            until()
            thread.join()
        outcome.rounds += 1
        outcome.slowest = max(outcome.slowest, time.monotonic() - started)
        end = ended[0]
        if isinstance(end, Exception):
            outcome.ends["failed with a sentence"] += 1
            return [*wrong, *_unclear(end)]
        outcome.ends[end.end] += 1
        return [*wrong, *(problem for line in end.lines for problem in _unclear(line))]

    def _left(self, name: str, *, may_lose: set[str]) -> list[str]:
        """Return what a disturbed sync has lost or stored half."""
        dsn = self._dsn(name)
        lost = self._kept - invariants.documents(dsn).keys() - may_lose
        return [*invariants.violations(dsn, self._allowed), *(f"{one} is lost" for one in sorted(lost))]

    def _next(self, name: str, engine: Engine) -> list[str]:
        """Sync and ask undisturbed; return what differs from what was never disturbed."""
        try:
            end = self._world.second(engine)
            answer = self._world.ask(engine).text if self._world.asks else ""
        except Exception as error:  # noqa: BLE001 - every one is reported
            return [f"the next run fails: {error!r}"]
        wrong = [f"the next run fails: {line}" for line in end.lines]
        if invariants.digest(self._dsn(name), cursors=False) != self._end:
            wrong.append("the next run leaves another index than an undisturbed one")
        if answer != self._answer:
            wrong.append(f"the next answer is {answer!r}")
        return wrong

    @contextlib.contextmanager
    def _copy(self) -> Iterator[str]:
        """Give the database and the files that the first version leaves."""
        self._world.reset()
        self._execute("CREATE DATABASE {copy} TEMPLATE {before}")
        try:
            yield self._names[1]
        finally:
            self._execute("DROP DATABASE {copy} WITH (FORCE)")

    def _engine(self, name: str) -> Engine:
        world = self._world
        return Engine(world.settings, Database(self._dsn(name), embedded=True), encoder=world.encoder)

    def _dsn(self, name: str) -> str:
        return make_conninfo(self._server_dsn, dbname=name)

    def _execute(self, statement: LiteralString) -> None:
        with psycopg.connect(self._server_dsn, autocommit=True) as connection:
            before, copy = map(sql.Identifier, self._names)
            connection.execute(sql.SQL(statement).format(before=before, copy=copy))


def _unclear(said: Exception | str) -> list[str]:
    """Return what is wrong with the end of a run, as a person reads it."""
    if isinstance(said, Exception) and not isinstance(said, RagError):
        return [f"it ends with {type(said).__name__}: {said}"]
    text = str(said)
    if "\n" in text or len(text) > _LONGEST_LINE or any(part in text for part in _NOT_A_SENTENCE):
        return [f"it says {text[:300]!r}"]
    return []
