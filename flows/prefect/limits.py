"""Prefect's global concurrency limits: how much is asked at once by all processes together, on any machine.

github-windows      windows of backfills that are read at once
host-HOST           requests to the host of a docs site that are under way at once

Each is made when it is first needed; its number can be changed in Prefect's UI.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

from prefect import get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.concurrency.asyncio import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    concurrency,
)
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.engine import watcher
from flows.prefect.run_records import name_run
from rag.errors import SourceError
from rag.settings import DocsConfig

__all__ = ["LEASE_SECONDS", "WINDOWS_LIMIT", "asking", "free_slots", "host_limit", "made_limit"]

#: Slots of it are taken once for many windows: one for each window would cost two seconds each on Prefect's SQLite,
#: where taking one collides with the states of other tasks.
WINDOWS_LIMIT = "github-windows"
_HOST = "host-"
# What one crawl may have under way. As it takes all slots of its host, crawls of one host take turns: only so do its
# pauses between requests, and a server's Retry-After, hold for all of them.
_REQUESTS = 8
#: A process that was killed holds its slots for so long.
LEASE_SECONDS = 60
_LONGEST_WAIT_SECONDS = 12 * 3600.0
_PAGE = 200


def host_limit(config: DocsConfig) -> str:
    """Return the name of the limit of a docs site's host."""
    return _HOST + urlsplit(config.url).netloc.rpartition("@")[2].lower()


async def made_limit(name: str, slots: int) -> int:
    """Return how many slots a limit has; make it, unless somebody has."""
    async with get_client() as client:
        try:
            found = await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):
                await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
            found = await client.read_global_concurrency_limit_by_name(name)
    return max(1, found.limit)


@asynccontextmanager
async def asking(config: DocsConfig) -> AsyncIterator[int]:
    """Keep to the limit of a docs site's host while the block runs; wait for other crawls of it first.

    :returns: how many requests may be under way at once
    :raises SourceError: it was not free for long
    """
    name = host_limit(config)
    at_once = min(_REQUESTS, await made_limit(name, _REQUESTS))
    hold = partial(concurrency, name, occupy=at_once, lease_duration=LEASE_SECONDS)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(hold(max_retries=0))
        except ConcurrencySlotAcquisitionError:
            said = f"Another source of {name.removeprefix(_HOST)} is being read"
            watcher()(config.name, f"{said}. Waiting.")
            get_run_logger().info("%s. Waiting for a slot of the concurrency limit %s.", said, name)
            await name_run(f"{runtime.flow_run.name} · waiting for {name.removeprefix(_HOST)}")
            try:
                await stack.enter_async_context(hold(timeout_seconds=_LONGEST_WAIT_SECONDS))
            except AcquireConcurrencySlotTimeoutError as error:
                raise SourceError(
                    f"{config.name} has waited {_LONGEST_WAIT_SECONDS / 3600:.0f} hours for its host. If no run reads "
                    f"from that, set the active slots of Prefect's concurrency limit {name} to 0."
                ) from error
        yield at_once


async def free_slots() -> None:
    """Take back the slots that killed runs left taken: a server of our own does not outlive them to do it."""
    async with get_client() as client:
        found = await client.read_global_concurrency_limits(limit=_PAGE)
        while len(found) % _PAGE == 0 and (more := await client.read_global_concurrency_limits(_PAGE, len(found))):
            found += more
        for limit in found:
            if limit.active_slots and (limit.name == WINDOWS_LIMIT or limit.name.startswith(_HOST)):
                await client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=0))
