"""Have others embed the texts of a sync: workers of Prefect's, or the processes of a Dask cluster.

embed_texts     one batch of texts, a task
embed_batch     the same as a flow run, which a worker is given
helpers         those whom RAG_EMBED_ON names

The texts wait in Postgres, and so do their vectors, in the cache of embeddings: a run says only which. A batch that is
lost on the way is embedded by the sync itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.tasks import exponential_backoff

from flows.engine import in_thread, shared_engine
from flows.prefect.lost_runs import notice_lost_runs
from flows.prefect.retries import may_help_to_retry
from flows.prefect.run_records import name_run
from flows.prefect.workers import dask_runner, run_on_worker, server_was_busy
from rag.embedding.workers import Helpers
from rag.errors import EmbeddingError, SourceUnavailable

if TYPE_CHECKING:
    from prefect_dask.task_runners import DaskTaskRunner

__all__ = ["EMBED", "embed_batch", "embed_texts", "helpers"]

#: The deployment that workers embed by.
EMBED = "embed-batch/embed"
# What is given out at once. More would be more texts in this process's memory.
_BATCHES = 8
# A worker's run takes seconds to start and a quarter of a minute, or half of one, to embed so much; a process of Dask's
# is there, and the smaller a batch, the less the last one is waited for.
_CHARACTERS_A_RUN = 1_200_000
_CHARACTERS_A_TASK = 300_000
# A worker may be at work on something else; without any, the sync had better begin by itself.
_PATIENCE = timedelta(minutes=5)


@task(
    task_run_name="embed {texts} texts",
    persist_result=False,
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
)
def embed_texts(batch: UUID, texts: int) -> int:
    """Embed a batch into the cache; return how many of its texts were not there."""
    del texts  # is in the name
    with shared_engine() as engine:
        return engine.embed_batch(batch)


@flow(name="embed-batch", flow_run_name="embed {texts} texts", persist_result=False)
async def embed_batch(batch: UUID, texts: int) -> State[Any]:
    """Embed a batch of texts for a sync; the sync gives it to a worker, nobody starts this by hand.

    Args:
        batch: What the texts go by in the database.
        texts: How many they are.

    """
    with shared_engine():
        made = await in_thread(lambda: embed_texts(batch, texts))
    await name_run(f"embed {texts} texts · {made} new")
    return Completed(message=f"{made} of {texts} texts were not in the cache.")


@task(
    task_run_name="{texts} texts by a worker",
    persist_result=False,
    # The same key finds the run that an attempt before has begun.
    retries=5,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=server_was_busy,
)
async def embed_by_worker(batch: UUID, texts: int) -> None:
    """Have a worker embed a batch."""
    parameters = {"batch": str(batch), "texts": texts}
    try:
        run, _ = await run_on_worker(
            EMBED,
            parameters,
            name=f"embed {texts} texts",
            key=f"embed {batch}",
            setting="RAG_EMBED_ON",
            patience=_PATIENCE,
        )
    except SourceUnavailable as error:
        raise EmbeddingError(str(error)) from error
    if run.state and not run.state.is_completed():
        raise EmbeddingError(f"The run {run.name} has failed: {run.state.message}")


@asynccontextmanager
async def helpers(on: str) -> AsyncIterator[Helpers | None]:
    """Find those who embed for syncs in this block.

    :param on: threads, which is nobody else; workers, dask, or dask:ADDRESS of a scheduler
    """
    if on == "threads":
        yield None
    elif on == "workers":
        await notice_lost_runs()
        loop = asyncio.get_running_loop()

        def give_to_worker(batch: UUID, texts: int) -> None:
            asyncio.run_coroutine_threadsafe(embed_by_worker(batch, texts), loop).result()

        yield Helpers(give_to_worker, _BATCHES, _CHARACTERS_A_RUN)
    else:
        with ExitStack() as stack:
            runner = _Dask(on, stack)

            def give_to_dask(batch: UUID, texts: int) -> None:
                try:
                    runner.get().submit(embed_texts, parameters={"batch": batch, "texts": texts}).result()
                except Exception as error:  # whatever befalls them, the sync can do without
                    raise EmbeddingError(
                        f"Dask does not embed: {' '.join(str(error).split()) or type(error).__name__}."
                    ) from error

            yield Helpers(give_to_dask, _BATCHES, _CHARACTERS_A_TASK)


class _Dask:
    """A Dask cluster, which is joined or started when it is first needed: most syncs bring little."""

    def __init__(self, on: str, stack: ExitStack) -> None:
        self._on = on
        self._stack = stack
        self._lock = threading.Lock()
        self._runner: DaskTaskRunner | None = None

    def get(self) -> DaskTaskRunner:
        with self._lock:
            if self._runner is None:
                self._runner = self._stack.enter_context(dask_runner(self._on))
            return self._runner
