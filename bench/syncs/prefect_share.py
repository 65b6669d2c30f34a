"""The overhead of Prefect in a full docs ingest: `python -m bench prefect-share`.

Whole commands ingest the PostgreSQL 15 manual, served on loopback, each into a new database: `Engine.sync` alone,
`python -m flows.ingest` with a running Prefect server, and `python -m flows.ingest` with a temporary server. The commands
alternate, so that other load on the machine affects all of them.

The durations of syncs vary by more than Prefect's overhead, so the time besides the sync (imports, loading the model,
recording runs) has its own column. So has the CPU time, on which other load has less effect.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg

from bench.paths import MANUAL, ROOT
from bench.report import Table
from bench.served import served
from flows.prefect.server import ServerProcess
from rag.store.postgres.embedded import embedded_dsn, stop_embedded

_DIRECT = """
import json, sys
from rag import Engine
with Engine.open() as engine:
    json.dump({"sources": [engine.sync("manual", full=True).to_json()]}, sys.stdout)
"""
_COMMANDS = {
    "Engine.sync": ["-c", _DIRECT],
    "the flow, running server": ["-m", "flows.ingest", "--full", "--json"],
    "the flow, temporary server": ["-m", "flows.ingest", "--full", "--json"],
}
_FIRST = next(iter(_COMMANDS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench prefect-share", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="the number of runs of each command (default 3)")
    parser.add_argument("--include", default="**", metavar="GLOB", help="only these pages, for a quick try")
    options = parser.parse_args(arguments)
    taken: dict[str, list[_Taken]] = {name: [] for name in _COMMANDS}
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rag-bench-")))
        stack.callback(stop_embedded, home)
        url = stack.enter_context(served(MANUAL))
        sources = home / "sources.toml"
        sources.write_text(
            f'[[docs]]\nname = "manual"\nurl = "{url}/index.html"\nexclude = ["bookindex.html"]\n'
            f'include = ["{options.include}"]\n'
        )
        os.environ["PREFECT_HOME"] = str(home / "prefect")
        os.environ["DO_NOT_TRACK"] = "1"
        server = stack.enter_context(ServerProcess(ui=True))
        server.wait()
        dsn = embedded_dsn(home)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAG_")},
            "RAG_HOME": str(home),
            "RAG_SOURCES": str(sources),
        }
        for turn in range(options.turns):
            for number, (name, command) in enumerate(_COMMANDS.items()):
                database = f"turn_{turn}_{number}"
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {database}")
                given = {"RAG_DATABASE_URL": psycopg.conninfo.make_conninfo(dsn, dbname=database)}
                if name.endswith("running server"):
                    given["PREFECT_API_URL"] = server.api_url
                elif name != _FIRST:
                    given["PREFECT_HOME"] = str(home / "another")
                taken[name].append(_measured(command, {**environment, **given}))
                print(name, taken[name][-1], file=sys.stderr, flush=True)
    print(_table(taken).markdown())


class _Taken(NamedTuple):
    """The times of a command, in seconds."""

    whole: float
    sync: float
    processor: float

    @property
    def besides_sync(self) -> float:
        return self.whole - self.sync


def _measured(command: Sequence[str], environment: dict[str, str]) -> _Taken:
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    whole, after = time.perf_counter() - started, os.times()
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    [report] = json.loads(done.stdout)["sources"]
    assert report["state"] == "completed", report
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return _Taken(whole, report["seconds"], processor)


def _table(taken: dict[str, list[_Taken]]) -> Table:
    table = Table(
        "A full ingest of the PostgreSQL manual, with and without Prefect",
        [
            "command",
            "seconds",
            "sync, s",
            "besides the sync, s",
            "Prefect's share",
            "CPU seconds",
            "Prefect's share of CPU seconds",
        ],
    )
    alone = _median(taken[_FIRST])
    for name, times in taken.items():
        medians = _median(times)
        table.add(
            name,
            medians.whole,
            medians.sync,
            medians.besides_sync,
            (medians.besides_sync - alone.besides_sync) / medians.whole,
            medians.processor,
            (medians.processor - alone.processor) / medians.processor,
        )
    return table


def _median(times: Sequence[_Taken]) -> _Taken:
    return _Taken(*(median(values) for values in zip(*times, strict=True)))
