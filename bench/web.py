"""The throughput of rag.web, compared with `engine.search` in a loop: `python -m bench web`."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import numpy as np

from bench.corpus import questions
from bench.filled import filled_engine
from bench.report import Table

CHUNKS = 20_000
CLIENTS = (1, 4, 16)
SECONDS = 8.0


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield one table: the function in a loop, then the server with clients that keep their connections open."""
    table = Table(
        f"Throughput over {CHUNKS:,} chunks",
        ["operation", "searches/s", "relative to the function", "p50 ms", "p99 ms", "p99 / p50"],
    )
    with filled_engine(CHUNKS) as (engine, source):
        asked = questions(source, 200, 8)
        for text in asked[:5]:
            engine.search(text)
        times: list[float] = []
        until = time.perf_counter() + SECONDS
        while (started := time.perf_counter()) < until:
            engine.search(asked[len(times) % len(asked)])
            times.append(time.perf_counter() - started)
        bare = len(times) / sum(times)
        _add(table, "engine.search in a loop", bare, bare, times)
        environment = {
            **os.environ,
            "RAG_HOME": str(engine.settings.home),
            "RAG_SOURCES": str(engine.settings.sources_path),
        }
        with subprocess.Popen(
            [sys.executable, "-m", "rag.web", "--port", "0"], stderr=subprocess.PIPE, text=True, env=environment
        ) as server:
            try:
                assert server.stderr
                port = next(
                    int(found[1]) for line in server.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line))
                )
                for clients in CLIENTS:
                    asyncio.run(_load(port, asked, clients, 1.0))
                    times, seconds = asyncio.run(_load(port, asked, clients, SECONDS))
                    _add(table, f"rag.web, {clients} client{'s' * (clients > 1)}", len(times) / seconds, bare, times)
            finally:
                server.terminate()
    yield table


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
