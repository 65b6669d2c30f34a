"""What a run does while another sync of its source is running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal, TypeVar

from prefect import get_run_logger, runtime

from flows.engine import in_thread, progress_listener
from flows.prefect.run_records import rename_run
from rag.errors import SourceBusy

__all__ = ["WhenBusy", "when_free"]

T = TypeVar("T")

#: What a run does while another sync of its source is running.
WhenBusy = Literal["wait", "skip", "fail"]

# The first sync of a large repository without a token lasts this long.
_LONGEST_WAIT = timedelta(hours=12)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


async def when_free(
    work: Callable[[], T], name: str, when_busy: WhenBusy = "wait", *, longest_wait: timedelta = _LONGEST_WAIT
) -> T:
    """Do a source's work in a thread; while another sync of the source is running, try again if `when_busy` is "wait".

    :raises SourceBusy: another sync is running, and `when_busy` is not "wait" or `longest_wait` is over
    """
    deadline = time.monotonic() + longest_wait.total_seconds()
    pause, waiting = _FIRST_PAUSE_SECONDS, False
    while True:
        try:
            return await in_thread(work)
        except SourceBusy as error:
            if when_busy != "wait" or time.monotonic() > deadline:
                raise
            if not waiting:
                progress_listener()(name, f"{error} Waiting.")
                get_run_logger().info("%s Waiting for it.", error)
                await rename_run(f"{runtime.flow_run.name} · waiting for another sync")
            waiting = True
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
