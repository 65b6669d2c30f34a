"""Many people who search and ask at once: `python -m bench chaos --askers 16`.

Each asker of `rag.web` sends its next request when the last one is answered: first searches only, then questions that are
answered by extracts, both over this project's handbook. A share is fair if the slowest asker got as many answers as the fastest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import httpx
import numpy as np

from bench.paths import ROOT
from bench.report import Table
from bench.speed.filled import empty_engine
from bench.speed.web import server
from rag.engine import Engine
from rag.text.blocks import heading
from tests.servers.memory_source import MemorySource, page

__all__ = ["run_askers"]

_SECONDS, _WARM_SECONDS = 30.0, 5.0
_HANDBOOK = ROOT / "docs"
_PATHS = {"search": "/api/v1/search", "answer": "/api/v1/ask"}


def run_askers(askers: int) -> Iterator[Table]:
    """Yield the latencies and the shares of one asker and of many."""
    table = Table(
        f"Askers of rag.web at once over the handbook, {_SECONDS:.0f} s each",
        ["what", "askers", "replies", "errors", "p50 ms", "p99 ms", "p50 / p50 of one", "slowest asker / fastest"],
    )
    texts = {path.stem: path.read_text() for path in sorted(_HANDBOOK.glob("*.md"))}
    asked = [found.text for text in texts.values() for line in text.splitlines() if (found := heading(line))]
    with empty_engine() as engine:
        engine.syncs.ingest(MemorySource([page(name, text) for name, text in texts.items()]))
        yield from _measured(engine, asked, askers, table)


def _measured(engine: Engine, asked: Sequence[str], askers: int, table: Table) -> Iterator[Table]:
    with server(engine, {"RAG_WEB_RATE": "0"}) as (address, _):
        for what in _PATHS:
            alone = 0.0
            _load(address, what, asked, askers, _WARM_SECONDS)
            for number in (1, askers):
                times, errors = _load(address, what, asked, number, _SECONDS)
                all_times = np.array([one for own in times for one in own]) * 1e3
                p50, p99 = (float(np.quantile(all_times, share)) for share in (0.5, 0.99))
                alone = alone or p50
                counts = [len(own) for own in times]
                table.add(what, number, len(all_times), errors, p50, p99, p50 / alone, min(counts) / max(counts))
    yield table


def _load(address: str, what: str, asked: Sequence[str], askers: int, seconds: float) -> tuple[list[list[float]], int]:
    """Return the durations in seconds of each asker's requests, and the number of errors."""
    times: list[list[float]] = [[] for _ in range(askers)]
    errors: list[str] = []
    until = time.perf_counter() + seconds

    def ask(own: list[float], number: int) -> None:
        with httpx.Client(base_url=address, timeout=120) as client:
            while (started := time.perf_counter()) < until:
                text = asked[(number + len(own) * askers) % len(asked)]
                if what == "search":
                    reply = client.get(_PATHS[what], params={"q": text})
                else:
                    reply = client.post(_PATHS[what], json={"question": text})
                if reply.status_code != 200:
                    errors.append(reply.text)
                own.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask, args=(own, number)) for number, own in enumerate(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(errors)
