"""How runs end that cannot do their work: with a sentence, as commands do, and without a traceback in the log.

A schedule may be due before the first sync, or while Postgres is away; nobody has to read Python to know that.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.prefect.returned import keep
from rag.errors import RagError

__all__ = ["told"]

P = ParamSpec("P")
R = TypeVar("R")

# Where Prefect logs the errors of flows and tasks, and the one by which the process of a deployed run ends.
_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


def told(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R | State[Any]]]:
    """Decorate the function of a flow, below `@flow`: this package's errors end the run as Failed, with a sentence."""

    @functools.wraps(function)
    async def tell(*args: P.args, **kwargs: P.kwargs) -> R | State[Any]:
        try:
            return await function(*args, **kwargs)
        except RagError as error:
            return keep(Failed(message=str(error), data=error))

    # Prefect looks up the types of parameters among the names of this module.
    tell.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return tell


def _shorten(record: logging.LogRecord) -> bool:
    """Let Prefect log the sentence of an error of this package, without its traceback, unless it logs for debugging."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RagError) and not logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
        record.exc_info = None
        message = record.getMessage()
        record.msg, record.args = message.replace(repr(error), str(error)), ()
    return True


# Every flow imports this module, in whichever process Prefect runs it.
for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_shorten)
