"""Have other processes embed the texts of a sync: Prefect workers, or the processes of a Dask cluster.

embed_texts           a task that embeds one batch of texts
embed_batch           the same as a flow run, for a Prefect worker
embedding_workers     the processes that RAG_RUN_ON names

The texts of a batch and the cache of embeddings are in Postgres, so a run is given only the batch's id. The sync itself
embeds a batch that other processes failed to embed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel

from flows.engine import in_thread, shared_engine
from flows.prefect.endings import told
from flows.prefect.retries import retrying_task
from flows.prefect.run_records import rename_run
from flows.prefect.workers import Batch, BatchKind, batch_runner, store_result
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import EmbeddingError

__all__ = ["EMBED", "EmbeddedTexts", "embed_batch", "embed_texts", "embedding_workers"]

#: The deployment with which workers embed a batch.
EMBED = "embed-batch/embed"
# Batches that are handed out at the same time; all of them are in this process's memory.
_BATCHES = 8
# A worker needs seconds to start a run, and about 15 to 30 s to embed a batch of this size. A Dask process is already
# running, and smaller batches shorten the wait for the last one.
_CHARACTERS_PER_RUN = 1_200_000
_CHARACTERS_PER_TASK = 300_000
# All workers may be busy for minutes; without any worker, the sync had better embed the texts itself.
_PATIENCE = timedelta(minutes=5)


class EmbeddedTexts(BaseModel, frozen=True):
    """The result of a batch.

    :param texts: the size of the batch
    :param new: the number of texts that the cache did not hold
    """

    texts: int
    new: int


@retrying_task("embed {texts} texts")
def embed_texts(batch: UUID, texts: int) -> EmbeddedTexts:
    """Embed a stored batch into the cache.

    :param texts: the size of the batch, for the name of the run
    """
    with shared_engine() as engine:
        return EmbeddedTexts(texts=texts, new=engine.syncs.embed_batch(batch))


@flow(name="embed-batch", flow_run_name="embed {texts} texts", persist_result=False)
@told
async def embed_batch(batch: UUID, texts: int) -> State[Any]:
    """Embed a batch of texts for a sync. Syncs start this flow on a worker; there is no reason to start it by hand.

    Args:
        batch: The id of the stored batch of texts.
        texts: The number of texts in the batch.

    """
    with shared_engine():
        embedded = await in_thread(lambda: embed_texts(batch, texts))
    await store_result(embedded)
    await rename_run(f"embed {texts} texts · {embedded.new} new")
    return Completed(message=f"{embedded.new} of {texts} texts were not in the cache.")


_KIND = BatchKind(EMBED, embed_texts, EmbeddedTexts)


@asynccontextmanager
async def embedding_workers(run_on: str, *, patience: timedelta = _PATIENCE) -> AsyncIterator[EmbeddingWorkers | None]:
    """Connect to the processes that embed for the syncs of this block.

    :param run_on: RAG_RUN_ON; None is yielded for "threads"
    :param patience: how long a batch may wait for a Prefect worker, before the sync embeds it itself
    """
    if run_on == "threads":
        yield None
        return
    async with batch_runner(run_on, _KIND, patience=patience) as run_batch:
        loop = asyncio.get_running_loop()

        def embed(batch: UUID, texts: int) -> None:
            job = Batch(f"embed {texts} texts", key=f"embed {batch}", parameters={"batch": batch, "texts": texts})
            end = asyncio.run_coroutine_threadsafe(run_batch(job), loop).result()
            if end.result is None:
                raise EmbeddingError(end.problem)

        characters = _CHARACTERS_PER_RUN if run_on == "workers" else _CHARACTERS_PER_TASK
        yield EmbeddingWorkers(embed, _BATCHES, characters)
