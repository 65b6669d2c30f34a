"""rag.web under load, what it adds to a call of the service, its memory, and its streams: `python -m bench web`."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import numpy as np
import psutil
from numpy.typing import NDArray

from bench.report import Table
from bench.speed.corpus import questions
from bench.speed.filled import filled_engine
from bench.speed.streaming import delays, slow_model
from rag.engine import Engine
from rag.service import Service

CHUNKS = 20_000
CLIENTS = (1, 4)
SECONDS = 8.0
# The clients, and the seconds, of the load under which nothing may fail and the memory stays what it is.
MANY, LONG = 16, 60.0
#: In seconds: by then every thread has its buffers.
WARM = 15.0
PAIRS, STREAMS = 200, 20


__all__ = ["CHUNKS", "run", "server"]


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield the throughput, what HTTP adds, the memory, and the delay of streams."""
    with filled_engine(CHUNKS) as (engine, source):
        asked = questions(source, 200, 8)
        for text in asked[:5]:
            engine.search(text)
        with server(engine) as (address, process):
            yield _added(engine, address, process, asked)
            yield from _throughput(engine, address, process, asked)
        yield _streams(engine, asked)


def _added(engine: Engine, address: str, process: psutil.Process, asked: Sequence[str]) -> Table:
    """Return what the API adds to the service: each search is sent to both, one after the other.

    The processor's time tells more than the clock where other programs run.
    """
    service = Service(engine)
    ways: tuple[list[float], list[float]] = ([], [])
    own = 0.0
    with httpx.Client(base_url=address, timeout=60) as client:
        for text in asked[:10]:
            client.get("/api/v1/search", params={"q": text}).raise_for_status()
        before = sum(process.cpu_times()[:2])
        for number in range(PAIRS):
            text = asked[number % len(asked)]
            for way in (0, 1) if number % 2 else (1, 0):
                started, worked = time.perf_counter(), time.process_time()
                if way:
                    client.get("/api/v1/search", params={"q": text}).raise_for_status()
                else:
                    service.search(text)
                    own += time.process_time() - worked
                ways[way].append((time.perf_counter() - started) * 1e3)
        served = sum(process.cpu_times()[:2]) - before
    columns = ["call", "p50 ms", "p99 ms", "processor ms a call"]
    table = Table(f"What the API adds to a search, {PAIRS} pairs", columns)
    table.add("Service.search", *_quantiles(ways[0]), own * 1e3 / PAIRS)
    table.add("GET /api/v1/search", *_quantiles(ways[1]), served * 1e3 / PAIRS)
    table.add("difference of a pair", *_quantiles(np.subtract(ways[1], ways[0])), (served - own) * 1e3 / PAIRS)
    return table


def _throughput(engine: Engine, address: str, process: psutil.Process, asked: Sequence[str]) -> Iterator[Table]:
    """Yield two tables: the function in a loop and the server with its clients; the long run and its memory."""
    table = Table(
        f"Throughput over {CHUNKS:,} chunks",
        ["operation", "searches/s", "relative to the function", "p50 ms", "p99 ms", "p99 / p50"],
    )
    times: list[float] = []
    until = time.perf_counter() + SECONDS
    while (started := time.perf_counter()) < until:
        engine.search(asked[len(times) % len(asked)])
        times.append(time.perf_counter() - started)
    bare = len(times) / sum(times)
    _add(table, "engine.search in a loop", bare, bare, times)
    port = int(address.rpartition(":")[2])
    for clients in CLIENTS:
        asyncio.run(_load(port, asked, clients, 1.0))
        times, seconds = asyncio.run(_load(port, asked, clients, SECONDS))
        _add(table, f"rag.web, {clients} client{'s' * (clients > 1)}", len(times) / seconds, bare, times)
    asyncio.run(_load(port, asked, MANY, WARM))
    before = process.memory_info().rss / 1e6
    times, seconds = asyncio.run(_load(port, asked, MANY, LONG))
    _add(table, f"rag.web, {MANY} clients for {LONG:.0f} s", len(times) / seconds, bare, times)
    yield table
    memory = Table(
        f"Memory under {MANY} clients", ["requests", "errors", f"MB after {WARM:.0f} s", f"MB {LONG:.0f} s later"]
    )
    memory.add(len(times), 0, before, process.memory_info().rss / 1e6)  # an error ends the benchmark
    yield memory


def _streams(engine: Engine, asked: Sequence[str]) -> Table:
    """Return how long after its last token the first sentence of an answer is shown."""
    with slow_model() as model:
        environment = {"RAG_LLM": "openai/slow", "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": model.url}
        with server(engine, environment) as (address, _):
            delays(model, address, asked[:1])
            found = [second * 1e3 for second in delays(model, address, asked[:STREAMS])]
    table = Table(
        "The first sentence of a streamed answer, a token every 50 ms", ["answers", "p50 ms", "p90 ms", "longest ms"]
    )
    table.add(len(found), *(float(np.quantile(found, share)) for share in (0.5, 0.9, 1.0)))
    return table


@contextmanager
def server(engine: Engine, more: Mapping[str, str] | None = None) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the address and the process of rag.web over an engine's database."""
    environment = {
        **os.environ,
        "RAG_HOME": str(engine.settings.home),
        "RAG_SOURCES": str(engine.settings.sources_path),
        **(more or {}),
    }
    command = [sys.executable, "-m", "rag.web", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stderr
            port = next(int(found[1]) for line in server.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
            # The log has a line for each request; a full pipe would stop the server.
            threading.Thread(target=deque, args=(server.stderr, 0), daemon=True).start()
            yield f"http://127.0.0.1:{port}", psutil.Process(server.pid)
        finally:
            server.terminate()


def _quantiles(times: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    return float(np.quantile(times, 0.5)), float(np.quantile(times, 0.99))


def _add(table: Table, operation: str, rate: float, bare: float, times: Sequence[float]) -> None:
    p50, p99 = (float(np.quantile(times, share)) * 1e3 for share in (0.5, 0.99))
    table.add(operation, rate, rate / bare, p50, p99, p99 / p50)


async def _load(port: int, asked: Sequence[str], clients: int, seconds: float) -> tuple[list[float], float]:
    """Send searches for `seconds` from concurrent clients; return the duration of each search, and the total duration."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        position = number
        while (started := time.perf_counter()) < until:
            path = f"/api/search?q={quote(asked[position % len(asked)])}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length
            await reader.readexactly(int(length[1]))
            times.append(time.perf_counter() - started)
            position += clients
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return times, time.perf_counter() - started
