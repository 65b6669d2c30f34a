"""Which task failures are retried, and with which pauses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.tasks import Task, exponential_backoff
from prefect.utilities.annotations import NotSet

from rag.errors import RagError

__all__ = ["is_retryable", "retrying_task", "server_was_busy"]

P = ParamSpec("P")
R = TypeVar("R")

#: Decides by the state of a failed attempt whether the task is run again.
RetryCondition = Callable[[Task[..., Any], TaskRun, State[Any]], Awaitable[bool]]


async def is_retryable(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether the error may pass by itself: an unreachable source, but not a wrong setting."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, RagError) and error.retryable


async def server_was_busy(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether Prefect's API failed to answer, as it does on SQLite under load; a refusal is final."""
    error = await state.aresult(raise_on_failure=False)
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def retrying_task(
    task_run_name: str,
    *,
    retries: int = 3,
    retry_if: RetryCondition = is_retryable,
    persist_result: bool = False,
    cache_policy: CachePolicy | type[NotSet] = NotSet,
    cache_expiration: timedelta | None = None,
    result_serializer: str | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate a function as a Prefect task that is retried with exponential pauses.

    Sources and models retry short failures themselves; these retries are for longer ones.

    :param retries: the number of attempts after the first one
    :param retry_if: called after a failed attempt
    """
    return task(
        task_run_name=task_run_name,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.5,
        retry_condition_fn=retry_if,
        persist_result=persist_result,
        cache_policy=cache_policy,
        cache_expiration=cache_expiration,
        result_serializer=result_serializer,
    )
