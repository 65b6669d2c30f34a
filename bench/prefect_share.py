"""Prefect's share of the time of a full docs ingest: `python -m bench.prefect_share`.

The PostgreSQL 15 manual, served on loopback, is ingested by whole commands, each into a new database: by `Engine.sync`
alone, by `python -m flows.ingest` with a running Prefect server, and by the same with a temporary server. The ways
alternate, so that other work on the machine affects all of them.

The time beside the sync itself (imports, the model, the records of runs) is a column, because a sync of a minute varies
by more than Prefect takes. So is the CPU time of the command, which other work on the machine affects less.
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

from bench.report import Table
from bench.retrieval import MANUAL, served
from flows.prefect.server import ServerProcess
from rag.store.embedded import embedded_dsn, stop_embedded

ROOT = Path(__file__).parents[1]
_DIRECT = """
import json, sys
from rag import Engine
with Engine.open() as engine:
    json.dump({"sources": [engine.sync("manual", full=True).to_json()]}, sys.stdout)
"""
_WAYS = {
    "Engine.sync": ["-c", _DIRECT],
    "the flow, a server that is up": ["-m", "flows.ingest", "--full", "--json"],
    "the flow, a server of its own": ["-m", "flows.ingest", "--full", "--json"],
}
_FIRST = next(iter(_WAYS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.prefect_share", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="the number of runs of each way (3)")
    parser.add_argument("--include", default="**", metavar="GLOB", help="ingest only these pages, for a quick try")
    options = parser.parse_args(arguments)
    taken: dict[str, list[_Taken]] = {way: [] for way in _WAYS}
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
            for number, (way, command) in enumerate(_WAYS.items()):
                database = f"turn_{turn}_{number}"
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {database}")
                given = {"RAG_DATABASE_URL": psycopg.conninfo.make_conninfo(dsn, dbname=database)}
                if way.endswith("up"):
                    given["PREFECT_API_URL"] = server.api_url
                elif way != _FIRST:
                    given["PREFECT_HOME"] = str(home / "another")
                taken[way].append(_measured(command, {**environment, **given}))
                print(way, taken[way][-1], file=sys.stderr, flush=True)
    print(_table(taken).markdown())


class _Taken(NamedTuple):
    """The times of a command, in seconds."""

    whole: float
    sync: float
    processor: float

    @property
    def beside(self) -> float:
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
        "A full ingest of the PostgreSQL manual, with Prefect and without",
        [
            "what",
            "seconds",
            "sync",
            "beside the sync",
            "Prefect's share",
            "CPU seconds",
            "Prefect's share of CPU seconds",
        ],
    )
    alone = _median(taken[_FIRST])
    for way, times in taken.items():
        one = _median(times)
        table.add(
            way,
            one.whole,
            one.sync,
            one.beside,
            (one.beside - alone.beside) / one.whole,
            one.processor,
            (one.processor - alone.processor) / one.processor,
        )
    return table


def _median(times: Sequence[_Taken]) -> _Taken:
    return _Taken(*(median(values) for values in zip(*times, strict=True)))


if __name__ == "__main__":
    main()
