"""A backfill on one and on two workers, with a GitHub latency of 200 ms: `python -m bench fan-out`.

The repository is tlswg/tls13-spec, in weekly windows, served by a separate process. Prefect's server, its workers and the
Dask cluster are real. `kill` ends a worker and its child processes with SIGKILL during the backfill. The digest covers the
content of all documents and chunks, so runs of this benchmark can be compared with each other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg

from bench.paths import ROOT, SHARED
from bench.report import Table
from flows.demo.github_server import GitHubServer, Request, Response, load_export
from flows.prefect.server import ServerProcess, free_port
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded

EXPORT = SHARED / "tls13-spec.github.json.gz"
_LATENCY_SECONDS = 0.2
_KILLED_AFTER_SECONDS = 20
_context = multiprocessing.get_context("spawn")


class Distant(GitHubServer):
    """A GitHub server that delays each reply."""

    def answer(self, request: Request) -> Response:
        time.sleep(_LATENCY_SECONDS)
        return super().answer(request)


def _serve(connection: Connection, export: Path) -> None:
    # Without web_url, every document would contain the port of this run.
    with Distant(load_export(export), rate_limit=10**9, web_url="https://github.com") as server:
        connection.send((server.api_url, server.full_name))
        with suppress(EOFError):
            connection.recv()


class Site:
    """The Prefect server, the Postgres and the sources file that all measurements share.

    :param sources: the text of sources.toml
    :param settings: further RAG_ settings
    """

    def __init__(self, stack: ExitStack, sources: str, **settings: str) -> None:
        self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.callback(stop_embedded, self.home)
        file = self.home / "sources.toml"
        file.write_text(sources)
        self.dsn = embedded_dsn(self.home)
        Database(self.dsn, embedded=True).close()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAG_"))},
            "PREFECT_HOME": str(self.home / "prefect"),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "RAG_HOME": str(self.home),
            "RAG_SOURCES": str(file),
            **settings,
            "PWD": str(ROOT),
        }
        os.environ.update({name: self.environment[name] for name in ("PREFECT_HOME", "DO_NOT_TRACK")})
        server = stack.enter_context(ServerProcess(ui=True))
        server.wait()
        self.environment["PREFECT_API_URL"] = server.api_url
        self.prefect("work-pool", "create", "--type", "process", "support-engine")
        self.python("flows.deployments", "--output", str(self.home / "prefect.yaml"))
        self.prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(self.home / "prefect.yaml"))

    def python(self, module: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{module} {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    def prefect(self, *arguments: str) -> str:
        return self.python("prefect", *arguments)

    def clear(self) -> None:
        """Delete the sources, the cached embeddings and Prefect's stored results."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM sources")
            connection.execute("TRUNCATE embeddings")
        shutil.rmtree(self.home / "prefect" / "storage", ignore_errors=True)

    def rows(self) -> tuple[int, int, str]:
        """Return the number of documents and of chunks, and a digest of their content.

        Vectors are excluded, since their last bits differ between runs.
        """
        with psycopg.connect(self.dsn) as connection:
            [(name,)] = connection.execute("SELECT name FROM indexes WHERE active").fetchall()
            documents = connection.execute("SELECT id, kind, url, title, text, hash FROM documents").fetchall()
            chunks = connection.execute(
                f"SELECT node_id, document_id, ordinal, heading, url, text, metadata_::text FROM data_{name}"
            ).fetchall()
        content = json.dumps([sorted(documents), sorted(chunks)])
        return len(documents), len(chunks), hashlib.sha256(content.encode()).hexdigest()[:12]

    @contextmanager
    def workers(self, count: int, *, cores: Sequence[int] = ()) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Start Prefect workers that execute one flow run at a time, and wait until they are ready.

        :param cores: the core of each worker; any core if empty
        """
        log = (self.home / "workers.log").open("ab")
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "support-engine", "--limit", "1"]
        started = [
            subprocess.Popen(
                [*_pinned(cores, number), *command, "--name", f"worker-{number}"],
                cwd=ROOT,
                env={**self.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for number in range(count)
        ]
        try:
            while self.prefect("work-pool", "inspect", "support-engine").count("READY") < 1:
                time.sleep(0.5)
            yield started
        finally:
            for worker in started:
                kill(worker)
            log.close()

    @contextmanager
    def dask(self, count: int, *, cores: Sequence[int] = ()) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
        """Start a Dask scheduler and workers in separate processes; yield the address and the workers."""
        port = str(free_port())
        address = f"tcp://127.0.0.1:{port}"
        log = (self.home / "dask.log").open("ab")

        def start(*command: str, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*prefix, sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

        scheduler = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard")
        workers = [start(*worker, prefix=_pinned(cores, number)) for number in range(count)]
        try:
            time.sleep(3)
            yield address, workers
        finally:
            for process in (*workers, scheduler):
                kill(process)
            log.close()

    def run(self, module: str, **environment: str) -> tuple[float, dict[str, object]]:
        """Run a command on the source "it"; return its duration in seconds and its report."""
        started = time.monotonic()
        report = json.loads(self.python(module, "it", "--json", **environment))
        return time.monotonic() - started, report


@contextmanager
def killed_later(worker: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a Dask worker during the block, and its nanny, which would restart it."""
    timer = threading.Timer(_KILLED_AFTER_SECONDS, lambda: print(f"killed {kill(worker)} processes", file=sys.stderr))
    timer.start()
    try:
        yield
        if worker.poll() is None:
            sys.exit("The run ended before the worker was killed; use more pages or windows.")
    finally:
        timer.cancel()


def _pinned(cores: Sequence[int], number: int) -> list[str]:
    return ["taskset", "-c", str(cores[number])] if cores else []


def kill(worker: subprocess.Popen[bytes]) -> int:
    """Kill a worker and its descendants, including its runs, which have their own sessions.

    :returns: the number of killed processes
    """
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The process name in parentheses may contain any character; the state and the parent follow it.
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    tree = [worker.pid]
    for parent in tree:
        tree += [child for child, owner in parents.items() if owner == parent]
    for process in tree:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    worker.wait()
    return len(tree)


_NAMES = {
    "threads": "four threads of one process",
    "1": "one worker",
    "2": "two workers",
    "kill": "two workers, one killed after 20 s and replaced after 25 s",
    "dask-1": "Dask, one process",
    "dask-2": "Dask, two processes",
    "dask-kill": "Dask, two processes, one killed after 20 s",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--export", type=Path, default=EXPORT, help="the export of the repository")
    parser.add_argument("--how", nargs="*", default=list(_NAMES), choices=list(_NAMES), help="the setups to measure")
    parser.add_argument("--since", metavar="DAY", help="skip older threads, for a quick try")


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        f"A backfill of {options.export.name.partition('.')[0]} in weekly windows, GitHub {_LATENCY_SECONDS * 1000:.0f} ms away",
        ["setup", "seconds", "relative to one worker", "documents", "chunks", "requests", "digest", "identical"],
    )
    with ExitStack() as stack:
        site = _github(stack, options.export, options.since)
        first = ""
        single: dict[str, float] = {}
        for how in options.how:
            site.clear()
            taken, report = _measure(site, how)
            documents, chunks, digest = site.rows()
            first = first or digest
            family = "dask" if how.startswith("dask") else "workers"
            if how in ("1", "dask-1"):
                single[family] = taken
            share = taken / single[family] if family in single and how != "threads" else None
            same = "yes" if digest == first else "NO"
            table.add(_NAMES[how], taken, share, documents, chunks, int(str(report["requests"])), digest, same)
            print(table.rows[-1], file=sys.stderr, flush=True)
    yield table


def _github(stack: ExitStack, export: Path, since: str | None) -> Site:
    here, there = _context.Pipe()
    process = _context.Process(target=_serve, args=(there, export), daemon=True)
    process.start()
    stack.callback(process.kill)
    stack.callback(here.close)
    api_url, repository = here.recv()
    began = f"since = {since}\n" if since else ""
    sources = f'[[github]]\nname = "it"\nrepo = "{repository}"\ninclude = ["issues", "pulls"]\n{began}'
    return Site(stack, sources, RAG_GITHUB_API_URL=api_url, RAG_RUN_ON="workers")


def _measure(site: Site, how: str) -> tuple[float, dict[str, object]]:
    match how:
        case "threads":
            return site.run("flows.backfill", RAG_RUN_ON="threads")
        case "1" | "2":
            with site.workers(int(how)):
                return site.run("flows.backfill")
        case "kill":
            return _with_kill(site)
        case _:
            return _on_dask(site, how.partition("-")[2])


def _with_kill(site: Site) -> tuple[float, dict[str, object]]:
    with site.workers(2) as workers:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.backfill", "it", "--json"],
            cwd=ROOT, env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(_KILLED_AFTER_SECONDS)
        print(f"killed {kill(workers[0])} processes of a worker", file=sys.stderr, flush=True)
        time.sleep(5)
        with site.workers(1):
            output, errors = process.communicate()
        if process.returncode:
            sys.exit(f"{output}{errors}")
        return time.monotonic() - started, json.loads(output)


def _on_dask(site: Site, how: str) -> tuple[float, dict[str, object]]:
    with (
        site.dask(1 if how == "1" else 2) as (address, workers),
        killed_later(workers[-1]) if how == "kill" else nullcontext(),
    ):
        return site.run("flows.backfill", RAG_RUN_ON=f"dask:{address}")


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench fan-out", description=__doc__)
    arguments(parser)
    for table in run(parser.parse_args(given)):
        print(table.markdown())
