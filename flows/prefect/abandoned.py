"""Slots of a host that a killed process has left behind: freed at once, instead of when their lease expires.

Whoever crawls a host, or waits for it, holds a shared lock in Postgres, which ends with its process. A crawl that finds
itself alone knows that nobody holds the slots.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from flows.engine import in_thread, shared_engine
from flows.prefect.limits import host_limit
from rag.settings import DocsConfig

__all__ = ["known_reader"]


@asynccontextmanager
async def known_reader(config: DocsConfig) -> AsyncIterator[None]:
    """Be known as a reader of a docs site's host during the block; free the slots of readers that were killed."""
    name = host_limit(config)
    with ExitStack() as stack:
        engine = stack.enter_context(shared_engine())
        share = await in_thread(lambda: stack.enter_context(engine.syncs.reading_host(name)))
        if share.is_alone:
            await _free(name)
            await in_thread(share.let_others_in)
        yield


async def _free(name: str) -> None:
    async with get_client() as client:
        try:
            found = await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return
        if found.active_slots:
            await client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))
