"""Send rag.web requests that no browser sends: `python -m bench requests --seconds 300`; none may be an error of the server."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from bench.report import Table
from bench.speed.filled import empty_engine
from bench.syncs.github import HashEncoder
from tests.odd_requests import FAILED, odd_request, status_of
from tests.servers.memory_source import MemorySource
from tests.servers.web import PAGES, served

_AT_ONCE = 4


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", type=int, default=60, help="how long requests are sent (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other requests (default: 1)")


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield how many requests got each status, and those that got an error of the server."""
    statuses: Counter[str] = Counter()
    failed: list[tuple[str, bytes]] = []
    with empty_engine(HashEncoder()) as engine:
        engine.syncs.ingest(MemorySource(PAGES))
        with served(engine) as address, ThreadPoolExecutor(_AT_ONCE) as threads:
            seeds = range(options.seed * _AT_ONCE, (options.seed + 1) * _AT_ONCE)
            for found, wrong in threads.map(lambda seed: _sent(address, seed, options.seconds), seeds):
                statuses += found
                failed += wrong
    table = Table(f"Odd requests, {options.seconds} s", ["status", "requests"])
    for status, count in sorted(statuses.items()):
        table.add(status, count)
    table.add("all", statuses.total())
    yield table
    if failed:
        errors = Table("Errors of the server", ["status", "request"], is_failure=True)
        for status, request in failed:
            errors.add(status, repr(request)[:2000])
        yield errors


def _sent(address: str, seed: int, seconds: float) -> tuple[Counter[str], list[tuple[str, bytes]]]:
    """Send requests one after the other; return how many got each status, and those that failed."""
    place, chance, until = urlsplit(address), random.Random(seed), time.monotonic() + seconds
    statuses: Counter[str] = Counter()
    failed: list[tuple[str, bytes]] = []
    while time.monotonic() < until:
        request = odd_request(chance, place.netloc)
        status = status_of(request, place.port or 80)
        statuses[status] += 1
        if status in FAILED:
            failed.append((status, request))
    return statuses, failed
