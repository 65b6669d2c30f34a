"""The memory that a reply without end takes: `python -m bench endless`.

Each row is a sync or a question in a process of its own, which one of its servers answers with chunks without end, or with
headers without end. The peak is compared with that of the same process without the fault.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import psutil

from bench.faults.broken import faulty_servers, without_disk
from bench.faults.worlds import WORLDS
from bench.report import Table, memory_mb, wrong_table
from rag.store.postgres.embedded import embedded_dsn, stop_embedded

__all__ = ["CHILD_LIMIT_MB", "LIMIT_MB", "Peak", "arguments", "peak", "run"]

#: What a reply without end may take more than a reply that ends, in MB: of this process, and of the largest it starts.
LIMIT_MB = 600.0
CHILD_LIMIT_MB = 1000.0
FAULTS = ("chunks without end", "headers without end")
_PAUSE = 0.05
Peak = tuple[float, float, tuple[str, ...]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    places = [place for world in WORLDS for place in world.places]
    parser.add_argument("--place", action="append", choices=places, help="only this kind of reply; can be repeated")


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield the table, and what took more than its limit."""
    table = Table("Replies without end", ["place", "reply", "peak, MB", "more than without, MB", "largest child, MB"])
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rag-endless-") as folder:
        home = Path(folder) / "home"
        dsn = embedded_dsn(home)
        without_disk(dsn)
        try:
            for world in WORLDS:
                for place in [place for place in world.places if place in (options.place or world.places)]:
                    without, _, _ = peak(dsn, place, "")
                    for fault in FAULTS:
                        own, child, said = peak(dsn, place, fault)
                        table.add(f"{world.name}: {place}", fault, own, own - without, child)
                        print(f"{world.name}: {place}, {fault}: {own:.0f} MB", *said, file=sys.stderr, flush=True)
                        wrong += said
                        if own - without > LIMIT_MB or child > CHILD_LIMIT_MB:
                            wrong.append(f"{world.name}: {place}, {fault}: {own - without:.0f} and {child:.0f} MB")
        finally:
            stop_embedded(home)
    yield table
    yield from wrong_table(wrong)


def peak(server_dsn: str, place: str, fault: str) -> Peak:
    """Return the peak memory of a process that syncs or asks while a server sends a reply, and what was wrong.

    :param fault: one of `tests.servers.faulty.FAULTS`; empty for none
    :return: of the process and of the largest process that it has started, in MB
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(partial(_peak, server_dsn, place, [fault] if fault else [])).result()


def _peak(server_dsn: str, place: str, faults: Sequence[str]) -> Peak:
    children = [0.0]
    ended = threading.Event()
    sampler = threading.Thread(target=_watch, args=(children, ended))
    sampler.start()
    (outcome,) = faulty_servers(server_dsn, places=[place], faults=faults)
    ended.set()
    sampler.join()
    return memory_mb() or 0.0, max(children), tuple(outcome.wrong)


def _watch(children: list[float], ended: threading.Event) -> None:
    """Note the memory of the largest child again and again: what a child leaves unattended is in no count of the system."""
    this = psutil.Process()
    while not ended.wait(_PAUSE):
        for child in this.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                children[0] = max(children[0], child.memory_info().rss / 2**20)
