"""When a task is worth another attempt."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from rag.errors import RagError

__all__ = ["may_help_to_retry"]


async def may_help_to_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Tell a source or a model that is away for a moment from a setting that is wrong."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, RagError) and error.retryable
