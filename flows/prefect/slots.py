"""Slots of a Prefect concurrency limit: waited for in order, without noise, and handed on at once.

Prefect's own `concurrency` logs each refusal as an error, and then waits as long as the server estimates, up to half
a minute. The runs of one process hand their slots to the next one that waits; between processes, the first that waits
asks again every half second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID
from weakref import WeakKeyDictionary

import httpx
from prefect.client.orchestration import get_client

__all__ = ["SlotTimeoutError", "holding"]

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
_LOCKED = 423

_Queue = deque["asyncio.Future[UUID]"]
#: those who wait for slots of a limit, by event loop and name
_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Queue]] = WeakKeyDictionary()


class SlotTimeoutError(Exception):
    """Other runs have held the slots for too long."""


@asynccontextmanager
async def holding(
    name: str,
    slots: int,
    *,
    lease_seconds: float,
    longest_wait: float,
    waiting: Callable[[], Awaitable[None]],
) -> AsyncIterator[None]:
    """Hold slots of a limit during the block.

    :param lease_seconds: how long a killed process keeps the slots
    :param longest_wait: in seconds
    :param waiting: called once if the slots are not free
    :raises SlotTimeoutError: the slots were not free for that long
    """
    queue = _queues.setdefault(asyncio.get_running_loop(), {}).setdefault(name, deque())
    lease = None if queue else await _acquired(name, slots, lease_seconds)
    if lease is None:
        lease = await _awaited(queue, name, slots, lease_seconds, longest_wait, waiting)
    renewal = asyncio.ensure_future(_renew(lease, lease_seconds))
    try:
        yield
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError):
            await renewal
        await _hand_on(queue, lease)


async def _awaited(
    queue: _Queue,
    name: str,
    slots: int,
    lease_seconds: float,
    longest_wait: float,
    waiting: Callable[[], Awaitable[None]],
) -> UUID:
    """Wait in the queue; who is first there also asks the server."""
    deadline = time.monotonic() + longest_wait
    turn: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
    queue.append(turn)
    lease: UUID | None = None
    try:
        await waiting()
        while lease is None:
            if time.monotonic() > deadline:
                raise SlotTimeoutError
            await asyncio.wait((turn,), timeout=_PAUSE_SECONDS)
            if turn.done():
                lease = turn.result()
            elif queue[0] is turn:
                lease = await _acquired(name, slots, lease_seconds)
        return lease
    finally:
        if turn in queue:
            queue.remove(turn)
        # It was handed on while this run asked the server, or was cancelled.
        if turn.done() and turn.result() != lease:
            await _hand_on(queue, turn.result())


async def _acquired(name: str, slots: int, lease_seconds: float) -> UUID | None:
    """Return the lease of slots, None if they are not free."""
    async with get_client() as client:
        try:
            response = await client.increment_concurrency_slots_with_lease([name], slots, "concurrency", lease_seconds)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == _LOCKED:
                return None
            raise
        return UUID(response.json()["lease_id"])


async def _renew(lease: UUID, lease_seconds: float) -> None:
    while True:
        await asyncio.sleep(lease_seconds / 4)
        try:
            async with get_client() as client:
                await client.renew_concurrency_lease(lease, lease_seconds)
        except httpx.HTTPError as error:
            log.info("the lease of a concurrency limit was not renewed: %s", error)


async def _hand_on(queue: _Queue, lease: UUID) -> None:
    """Give slots to the first that waits in this process, or back to the server."""
    while queue:
        turn = queue.popleft()
        if not turn.done():
            turn.set_result(lease)
            return
    async with get_client() as client:
        await client.release_concurrency_slots_with_lease(lease)
