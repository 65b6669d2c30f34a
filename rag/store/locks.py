"""Locks: one sync of a source at a time, in any number of processes on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import SourceBusy
from rag.store.sources import Sources

__all__ = ["all_sources_locked", "locked_source"]


@contextmanager
def locked_source(sources: Sources, name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a source while the block runs.

    :param shared: let others hold it too that share it, as the windows of a backfill do
    :raises SourceBusy: a sync of the source is running
    """
    with sources.locked(name, shared=shared) as free:
        if not free:
            raise SourceBusy(f"Another sync of {name} is running; wait until it has ended.")
        yield


@contextmanager
def all_sources_locked(sources: Sources) -> Iterator[None]:
    """Hold the locks of all sources while the block runs.

    :raises SourceBusy: a sync is running
    """
    with sources.all_locked([status.name for status in sources.status()]) as busy:
        if busy:
            raise SourceBusy(f"A sync of {busy} is running; wait until it has ended.")
        yield
