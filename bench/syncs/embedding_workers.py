"""A docs site embedded by one and by two single-core machines: `python -m bench embedding-workers`.

The source is the PostgreSQL 15 manual, listed by a sitemap, with a latency of 200 ms per page. A core stands for a machine.
The first runs the sync, Postgres, Prefect's server and an embedding worker; the second runs another embedding worker.
The workers are Prefect workers or Dask processes. The digest covers the content of all documents and chunks.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.paths import MANUAL
from bench.report import Table
from bench.syncs.fan_out import Site, killed_later

_LATENCY_SECONDS = 0.2
_CORES = (0, 1)
_NAMES = {
    "alone": "one machine, embedding in the sync",
    "dask-1": "one machine with a Dask process",
    "dask-2": "two machines with a Dask process each",
    "workers-2": "two machines with a Prefect worker each",
    "dask-kill": "two machines with a Dask process each, the second killed after 20 s",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench embedding-workers", description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth page (default 1)")
    parser.add_argument("--how", nargs="*", default=list(_NAMES), choices=list(_NAMES), help="the setups to measure")
    options = parser.parse_args(arguments)
    table = Table(
        f"The PostgreSQL manual, pages {_LATENCY_SECONDS * 1000:.0f} ms away, single-core machines",
        ["setup", "seconds", "relative to one machine", "documents", "chunks", "digest", "identical"],
    )
    with ExitStack() as stack:
        os.sched_setaffinity(0, {_CORES[0]})  # inherited by child processes
        url = stack.enter_context(_distant(options.every))
        site = Site(stack, f'[[docs]]\nname = "it"\nurl = "{url}/docs/"\nsitemap = "{url}/sitemap.xml"\n')
        first: tuple[float, str] | None = None
        for how in options.how:
            site.clear()
            taken = _measure(site, how)
            documents, chunks, digest = site.rows()
            first = first or (taken, digest)
            same = "yes" if digest == first[1] else "NO"
            table.add(_NAMES[how], taken, taken / first[0], documents, chunks, digest, same)
            print(table.rows[-1], file=sys.stderr, flush=True)
    print(table.markdown())


def _measure(site: Site, how: str) -> float:
    kind, _, machines = how.partition("-")
    cores = _CORES[: 1 if machines == "1" else 2]
    with ExitStack() as stack:
        if kind == "alone":
            setting = "threads"
        elif kind == "workers":
            stack.enter_context(site.workers(len(cores), cores=cores))
            setting = "workers"
        else:
            address, workers = stack.enter_context(site.dask(len(cores), cores=cores))
            setting = f"dask:{address}"
            if machines == "kill":
                stack.enter_context(killed_later(workers[-1]))
        return site.run("flows.ingest", RAG_RUN_ON=setting)[0]


@contextmanager
def _distant(every: int) -> Iterator[str]:
    """Serve the manual under /docs/ and a sitemap; every reply is delayed."""

    class Distant(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(_LATENCY_SECONDS)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with tempfile.TemporaryDirectory(prefix="rag-bench-") as name:
        folder = Path(name)
        (folder / "docs").symlink_to(MANUAL)
        with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Distant, directory=name)) as server:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            pages = [path.name for path in sorted(MANUAL.glob("*.html")) if path.name != "bookindex.html"][::every]
            listed = "".join(f"<url><loc>{url}/docs/{page}</loc></url>" for page in pages)
            (folder / "sitemap.xml").write_text(
                f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'
            )
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield url
            server.shutdown()
