"""Prefect's global concurrency limits, which all processes on all machines share.

github-windows      backfill windows that are read at the same time
host-HOST           concurrent requests to the host of a docs site

A limit is created when it is first needed; its number of slots can be changed in Prefect's UI.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

from prefect import get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.engine import progress_listener
from flows.prefect.run_records import rename_run
from flows.prefect.slots import SlotTimeoutError, holding
from rag.errors import SourceError
from rag.settings import DocsConfig

__all__ = ["LEASE_SECONDS", "WINDOWS_LIMIT", "asking", "crawls_at_once", "free_slots", "host_limit", "made_limit"]

#: Its slots are acquired once for many windows: on Prefect's SQLite, acquiring a slot for each window would take two
#: seconds a window, because it collides with the state updates of other tasks.
WINDOWS_LIMIT = "github-windows"
_HOST = "host-"
# Concurrent requests of one crawl. A crawl acquires all slots of its host, so crawls of one host run one after another:
# otherwise its pauses between requests, and a server's Retry-After, would not hold for all of them.
_REQUESTS = 8
#: How long a killed process keeps its slots.
LEASE_SECONDS = 60
_LONGEST_WAIT = timedelta(hours=12)
_PAGE = 200


def host_limit(config: DocsConfig) -> str:
    """Return the name of the limit of a docs site's host."""
    return _HOST + urlsplit(config.url).netloc.rpartition("@")[2].lower()


async def made_limit(name: str, slots: int) -> int:
    """Return the number of slots of a limit; create the limit if it does not exist.

    :param slots: the number of slots of a new limit
    """
    async with get_client() as client:
        try:
            found = await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):
                await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
            found = await client.read_global_concurrency_limit_by_name(name)
    return max(1, found.limit)


async def crawls_at_once(config: DocsConfig) -> int:
    """Return how many sources of a docs site's host can be crawled at the same time."""
    slots = await made_limit(host_limit(config), _REQUESTS)
    return slots // min(_REQUESTS, slots)


@asynccontextmanager
async def asking(config: DocsConfig, *, longest_wait: timedelta = _LONGEST_WAIT) -> AsyncIterator[int]:
    """Hold the concurrency limit of a docs site's host during the block; wait for other crawls of the host first.

    :returns: the number of concurrent requests that the block may send
    :raises SourceError: other crawls have held the limit for longer than `longest_wait`
    """
    name = host_limit(config)
    at_once = min(_REQUESTS, await made_limit(name, _REQUESTS))

    async def waiting() -> None:
        said = f"Another source of {name.removeprefix(_HOST)} is being read"
        progress_listener()(config.name, f"{said}. Waiting.")
        get_run_logger().info("%s. Waiting for a slot of the concurrency limit %s.", said, name)
        await rename_run(f"{runtime.flow_run.name} · waiting for {name.removeprefix(_HOST)}")

    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(
                holding(
                    name,
                    at_once,
                    lease_seconds=LEASE_SECONDS,
                    longest_wait=longest_wait.total_seconds(),
                    waiting=waiting,
                )
            )
        except SlotTimeoutError as error:
            raise SourceError(
                f"{config.name} has waited {longest_wait / timedelta(hours=1):.0f} hours for its host. If no run "
                f"reads from that host, set the active slots of Prefect's concurrency limit {name} to 0."
            ) from error
        yield at_once


async def free_slots() -> None:
    """Release the slots of killed runs: a temporary server does not live long enough to expire their leases."""
    async with get_client() as client:
        found = await client.read_global_concurrency_limits(limit=_PAGE)
        while len(found) % _PAGE == 0 and (more := await client.read_global_concurrency_limits(_PAGE, len(found))):
            found += more
        for limit in found:
            if limit.active_slots and (limit.name == WINDOWS_LIMIT or limit.name.startswith(_HOST)):
                await client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=0))
