"""A docs site read by one process, and its halves by two at once: `python -m bench.docs_halves`.

The PostgreSQL 15 manual, every page 200 ms away, listed by a sitemap. Each process is `Engine.sync` of a source, as a worker
runs it; the halves are two sources with an `include` each. The processor's seconds, of the processes and not of Postgres,
tell what there is to gain: on a machine whose cores are all at work, nothing.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from bench.report import Table
from bench.retrieval import MANUAL
from rag.database import embedded_dsn, stop_embedded

ROOT = Path(__file__).parents[1]
_LATENCY_SECONDS = 0.2
_HALVES = {"first": "[0-9a-o]*", "second": "[p-z]*"}
_SYNC = """
import sys
from rag import Engine
with Engine.open() as engine:
    assert engine.sync(sys.argv[1]).state == "completed"
"""
_READ = """
import sys
from rag import Engine
from rag.sources.docs import DocsSource
with Engine.open() as engine:
    engine.store.register_source(sys.argv[1], "docs")
    for change in DocsSource(engine.source_config(sys.argv[1]), engine.store).changes(full=True):
        pass
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.docs_halves", description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth page (1)")
    options = parser.parse_args(arguments)
    table = Table(
        f"The PostgreSQL manual, pages {_LATENCY_SECONDS * 1000:.0f} ms away, on {os.cpu_count()} cores",
        ["what", "seconds", "the processor's", "documents", "chunks"],
    )
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rag-bench-")))
        stack.callback(stop_embedded, home)
        url = stack.enter_context(_distant(home, options.every))
        wanted = {"whole": "**", **_HALVES}
        (home / "sources.toml").write_text(
            "".join(
                f'[[docs]]\nname = "{name}"\nurl = "{url}/docs/"\nsitemap = "{url}/sitemap.xml"\ninclude = ["{glob}"]\n'
                for name, glob in wanted.items()
            )
        )
        dsn = embedded_dsn(home)
        for number, (what, code, names) in enumerate(
            [
                ("fetching and reading alone", _READ, ["whole"]),
                ("one process", _SYNC, ["whole"]),
                ("two processes, a half each", _SYNC, list(_HALVES)),
            ]
        ):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE run_{number}")
            database = psycopg.conninfo.make_conninfo(dsn, dbname=f"run_{number}")
            seconds, processor = _run(code, names, home, database)
            table.add(what, seconds, processor, *_counts(database))
            print(table.rows[-1], file=sys.stderr, flush=True)
    print(table.markdown())


def _run(code: str, names: Sequence[str], home: Path, database: str) -> tuple[float, float]:
    """Run a process for each source at once; return the seconds that they took, and the processor's."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAG_")},
        "RAG_HOME": str(home),
        "RAG_SOURCES": str(home / "sources.toml"),
        "RAG_DATABASE_URL": database,
    }
    before, started = os.times(), time.perf_counter()
    processes = [subprocess.Popen([sys.executable, "-c", code, name], cwd=ROOT, env=environment) for name in names]
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit(f"One of {', '.join(names)} failed.")
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, processor


def _counts(database: str) -> tuple[int, int]:
    with psycopg.connect(database) as connection:
        [(documents,)] = connection.execute("SELECT count(*) FROM documents").fetchall()
        names = connection.execute("SELECT name FROM indexes").fetchall()
        chunks = sum(connection.execute(f"SELECT count(*) FROM data_{name}").fetchall()[0][0] for (name,) in names)
    return documents, chunks


@contextmanager
def _distant(home: Path, every: int) -> Iterator[str]:
    """Serve the manual under /docs/, and a list of its pages; every reply takes its time."""

    class Distant(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(_LATENCY_SECONDS)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    folder = home / "site"
    folder.mkdir()
    (folder / "docs").symlink_to(MANUAL)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Distant, directory=str(folder))) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        pages = [path.name for path in sorted(MANUAL.glob("*.html")) if path.name != "bookindex.html"][::every]
        listed = "".join(f"<url><loc>{url}/docs/{page}</loc></url>" for page in pages)
        (folder / "sitemap.xml").write_text(
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()


if __name__ == "__main__":
    main()
