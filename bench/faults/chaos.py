"""Kill what works, at random moments, and see what is left: `python -m bench chaos --kills 200`.

Each round starts from a copy of a database, begins an operation in a child process, and kills the child or Postgres with
SIGKILL. The moments of an operation's rounds are spread over its duration, one at random in each equal part. Then the database is examined (`bench.faults.invariants`), the operation is run again to its end, and the end is compared
with that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.faults import invariants
from bench.faults.asking import run_askers
from bench.faults.broken import run_faults, without_disk
from bench.faults.chaos_work import OPERATIONS, Operation, run_operation
from bench.faults.day import run_day
from bench.faults.together import run_together
from bench.report import Table, wrong_table
from rag.errors import RagError
from rag.store.postgres.embedded import embedded_dsn, stop_embedded

__all__ = ["Outcome", "arguments", "chaos", "run"]

# One round in this many kills Postgres instead of the child.
_POSTGRES_EVERY = 5


@dataclass(slots=True)
class Outcome:
    """The rounds of one operation; `violations` says what was broken, one line each."""

    rounds: int = 0
    killed: int = 0
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An operation with its database before it, what the database may hold, and what an undisturbed run leaves."""

    operation: Operation
    template: str
    seconds: float
    allowed: invariants.Allowed
    end: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--kills", type=int, default=20, help="the number of kills (default: 20)")
    parser.add_argument("--seed", type=int, default=None, help="the seed of the moments (default: another each time)")
    parser.add_argument(
        "--together", type=float, metavar="SECONDS", help="instead of kills: syncs, askers and re-indexing at once"
    )
    parser.add_argument("--hours", type=int, metavar="N", help="instead of kills: simulated hours of hourly syncs")
    parser.add_argument(
        "--faults", action="store_true", help="instead of kills: break off every server, and lose every statement"
    )
    parser.add_argument(
        "--share",
        type=_share,
        default=(1, 1),
        metavar="N/M",
        help="of --faults: only the N-th of M parts of the rounds",
    )
    parser.add_argument(
        "--place", action="append", default=[], metavar="NAME", help="of --faults: only this kind of reply"
    )
    parser.add_argument("--askers", type=int, metavar="N", help="instead of kills: so many who search and ask at once")


def _share(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 1/4")
    return int(number), int(count)


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield the table of the outcome."""
    if options.together or options.hours or options.askers or options.faults:
        share, shares = options.share
        yield from run_faults(share, shares, options.place) if options.faults else ()
        yield from run_together(options.together) if options.together else ()
        yield from run_day(options.hours) if options.hours else ()
        yield from run_askers(options.askers) if options.askers else ()
        return
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    outcomes = chaos(options.kills, seed)
    table = Table(f"{options.kills} kills, seed {seed}", ["operation", "rounds", "killed at work", "violations"])
    for name, one in outcomes.items():
        table.add(name, one.rounds, one.killed, len(one.violations))
    yield table
    yield from wrong_table([f"{name}: {violation}" for name, one in outcomes.items() for violation in one.violations])


def chaos(kills: int, seed: int) -> dict[str, Outcome]:
    """Kill operations in turn; return the outcome of each."""
    moments = random.Random(seed)
    outcomes = {name: Outcome() for name in OPERATIONS}
    with tempfile.TemporaryDirectory(prefix="rag-chaos-") as folder:
        home = Path(folder) / "home"
        without_disk(embedded_dsn(home))
        try:
            prepared = {name: _prepare(home, name, operation) for name, operation in OPERATIONS.items()}
            for number in range(kills):
                name = list(OPERATIONS)[number % len(OPERATIONS)]
                kills_postgres = number % _POSTGRES_EVERY == _POSTGRES_EVERY - 1
                parts = (kills - list(OPERATIONS).index(name) - 1) // len(OPERATIONS) + 1
                part = number // len(OPERATIONS)
                moment = moments.uniform(part, part + 1) / parts
                _round(home, prepared[name], moment, kills_postgres, outcomes[name])
        finally:
            stop_embedded(home)
    return outcomes


def _prepare(home: Path, name: str, operation: Operation) -> _Prepared:
    template = f"before_{name}"
    _create(home, template)
    operation.prepare(_dsn(home, template))
    before = invariants.documents(_dsn(home, template)) if operation.has_documents else {}
    with _copy(home, template, operation) as (dsn, other):
        started = time.monotonic()
        assert _end_of(_begin(operation, dsn, other)), f"{name} fails without being disturbed"
        seconds = time.monotonic() - started
        seen = dsn if operation.works_on == "database" else other
        allowed = invariants.Allowed.of(before, invariants.documents(seen))
        end = invariants.digest(seen)
    return _Prepared(operation, template, seconds, allowed, end)


def _round(home: Path, prepared: _Prepared, moment: float, kills_postgres: bool, outcome: Outcome) -> None:
    """Kill at a moment, given as a share of the duration of an undisturbed run."""
    operation = prepared.operation
    with _copy(home, prepared.template, operation) as (dsn, other):
        child = _begin(operation, dsn, other)
        time.sleep(moment * prepared.seconds)
        was_running = os.waitpid(child, os.WNOHANG) == (0, 0)
        if was_running:
            if kills_postgres:
                _kill_postgres(home)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            embedded_dsn(home)
        outcome.rounds += 1
        outcome.killed += was_running
        seen = dsn if operation.works_on == "database" else other
        found = invariants.violations(seen, prepared.allowed) if operation.has_documents else []
        if not _end_of(_begin(operation, dsn, other)):
            found.append("the next run fails")
        elif invariants.digest(seen) != prepared.end:
            found.append("the next run ends otherwise than an undisturbed one")
        found += invariants.violations(seen, prepared.allowed)
        outcome.violations += found


def _begin(operation: Operation, dsn: str, other: str) -> int:
    """Run an operation in a child process; return its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        run_operation(operation, dsn, other)
        code = 0
    except RagError as error:
        os.write(2, f"{operation.name}: {error}\n".encode())
    finally:
        os._exit(code)


def _end_of(child: int) -> bool:
    return os.waitpid(child, 0)[1] == 0


def _kill_postgres(home: Path) -> None:
    lock = home / "postgres" / "postmaster.pid"
    postmaster = psutil.Process(int(lock.read_text().splitlines()[0]))
    postmaster.kill()
    # Until it is gone, it still accepts connections.
    with contextlib.suppress(psutil.NoSuchProcess):
        while postmaster.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.02)


class _Copies:
    """The names of copies, each used once."""

    number = 0


class _copy:  # noqa: N801 - used like a function, in a with statement
    """A copy of a template, and an empty database beside it for an operation that works on it, until the block ends."""

    def __init__(self, home: Path, template: str, operation: Operation) -> None:
        self._home, self._template = home, template
        self._has_other = operation.works_on == "other"
        _Copies.number += 1
        self._names = (f"copy_{_Copies.number}", f"other_{_Copies.number}")

    def __enter__(self) -> tuple[str, str]:
        _create(self._home, self._names[0], self._template)
        if self._has_other:
            _create(self._home, self._names[1])
        return _dsn(self._home, self._names[0]), _dsn(self._home, self._names[1])

    def __exit__(self, *_exception: object) -> None:
        for name in self._names:
            _execute(self._home, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", {"name": name})


def _create(home: Path, name: str, template: str = "template0") -> None:
    _execute(home, "CREATE DATABASE {name} TEMPLATE {template}", {"name": name, "template": template})


def _execute(home: Path, statement: str, names: Mapping[str, str]) -> None:
    with psycopg.connect(embedded_dsn(home), autocommit=True) as connection:
        identifiers = {key: sql.Identifier(name) for key, name in names.items()}
        connection.execute(sql.SQL(statement).format(**identifiers))


def _dsn(home: Path, name: str) -> str:
    return make_conninfo(embedded_dsn(home), dbname=name)
