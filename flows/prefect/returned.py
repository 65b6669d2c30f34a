"""What a flow's function returned.

A reply of Prefect's API can be lost after it stored the last state of a run. The client then asks again, and gets the
stored state, which does not hold what the function returned: reading it fails, although the run succeeded.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any, TypeVar

from prefect.client.schemas.objects import State

from rag.errors import RagError

__all__ = ["keep", "returned", "returned_as"]

T = TypeVar("T")

_kept: ContextVar[list[Any] | None] = ContextVar("kept", default=None)


def keep(value: T) -> T:
    """Keep what a flow's function is about to return, for `returned`."""
    kept = _kept.get()
    if kept is not None:
        kept.append(value)
    return value


async def returned(run: Awaitable[State[Any]]) -> object:
    """Return what a flow run returned, the exception by which it ended, or its last state if it returned nothing.

    :param run: the call of the flow, with `return_state=True`
    """
    kept: list[Any] = []
    token = _kept.set(kept)
    try:
        state = await run
    finally:
        _kept.reset(token)
    if state.data is None and kept and (state.is_completed() or state.is_failed()):
        value = kept[-1]
        return await value.aresult(raise_on_failure=False) if isinstance(value, State) else value
    value = await state.aresult(raise_on_failure=False)
    return state if value is None else value


async def returned_as(kind: type[T], run: Awaitable[State[Any]], *, otherwise: str) -> T:
    """Return what a flow run returned.

    :param kind: what the flow returns if it succeeds
    :param otherwise: how the message begins if it returned something else
    :raises RagError: the error by which the run ended, or this message
    """
    value = await returned(run)
    if isinstance(value, RagError):
        raise value
    if not isinstance(value, kind):
        raise RagError(f"{otherwise}: {value}")
    return value
