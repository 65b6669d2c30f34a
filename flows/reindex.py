"""Build an index for another embedding model from the stored documents and switch to it: `python -m flows.reindex`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact, aupdate_progress_artifact
from rich.console import Console

from flows.embedding import embedding_workers
from flows.engine import Ended, in_thread, progress_listener, reporting_to, shared_engine
from flows.prefect.endings import told
from flows.prefect.returned import keep, returned_as
from flows.prefect.run_records import rename_run
from flows.prefect.server import connected, log_to, wanted_server
from rag.command import CommandParser, run
from rag.ingest.report import SyncReport
from rag.settings import load_settings
from rag.store.index_info import IndexInfo

__all__ = ["build_index", "main", "reindex"]


_SECONDS_BETWEEN_UPDATES = 5.0


@task(task_run_name="build index", persist_result=False)
async def build_index(roll_back: bool = False) -> IndexInfo:
    """Chunk and embed every stored document; an interrupted run that is repeated continues where it stopped."""
    listener = progress_listener()
    done = 0

    def note(count: int) -> None:
        nonlocal done
        done = count
        listener("index", f"{count:,} documents done")

    def build() -> IndexInfo:
        with shared_engine() as engine:
            return (engine.indexing.roll_back if roll_back else engine.indexing.reindex)(
                embedding_workers=workers, progress=note
            )

    def documents() -> int:
        with shared_engine() as engine:
            return sum(status.documents for status in engine.operations.sources())

    async def show() -> None:
        total, artifact = max(1, await in_thread(documents)), None
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_UPDATES)
            share, said = min(99.0, 100.0 * done / total), f"{done:,} of {total:,} documents"
            if artifact:
                await aupdate_progress_artifact(artifact, share, description=said)
            else:
                artifact = await acreate_progress_artifact(share, key="reindex-progress", description=said)

    with shared_engine() as engine:
        run_on = engine.settings.run_on
    showing = asyncio.ensure_future(show())
    try:
        async with embedding_workers(run_on) as workers:
            return await in_thread(build)
    finally:
        showing.cancel()


@flow(name="reindex", flow_run_name="reindex", persist_result=False)
@told
async def reindex(roll_back: bool = False) -> IndexInfo:
    """Build an index for RAG_EMBEDDING_MODEL beside the active one, then switch to it.

    Nothing is fetched, because the documents are stored. Questions are answered from the old index until the new one is
    complete; syncs wait. The old index is kept.

    Args:
        roll_back: Switch back to the index that was kept, after adding what has changed since.

    """
    index = await build_index(roll_back)
    await rename_run(f"reindex · {index.name} is in use now")
    await acreate_markdown_artifact(
        f"The active index is **{index.name}**: {index.embedding_model}, {index.dimension} dimensions.",
        key="reindex",
    )
    return keep(index)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the index."""
    parser = CommandParser(
        prog="python -m flows.reindex",
        description="Build an index for RAG_EMBEDDING_MODEL from the stored documents and switch to it. Nothing is "
        "fetched, and questions are answered meanwhile. The old index is kept until the next one is built.",
        examples=[
            "RAG_EMBEDDING_MODEL=openai/text-embedding-3-small python -m flows.reindex",
            "python -m flows.reindex --roll-back",
        ],
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--roll-back", action="store_true", help="switch back to the index before this one")
    instead.add_argument("--drop", action="store_true", help="remove every index except the one in use")
    return run(parser, _reindex, arguments)


def _reindex(options: argparse.Namespace) -> int:
    settings = load_settings()
    console = Console(stderr=True)
    log_to(console, debug=options.debug)

    def show(_name: str, news: SyncReport | Ended | str) -> None:
        console.print(str(news), markup=False, highlight=False, soft_wrap=True)

    with shared_engine(settings) as engine:
        if options.drop:
            dropped = engine.indexing.drop_others()
            sys.stdout.write("".join(f"dropped {index.name}\n" for index in dropped) or "there was no other index\n")
            return 0
        if not options.roll_back:
            engine.indexing.check_reindex()
        server = wanted_server(run_on=settings.run_on)
        with server or nullcontext(), connected(server), reporting_to(show):
            index = asyncio.run(_run(options.roll_back))
        is_set = engine.indexing.is_set(index)
    sys.stdout.write(f"The active index is {index.name}: {index.embedding_model}, {index.dimension} dimensions.\n")
    if not is_set:
        sys.stdout.write(f"Set RAG_EMBEDDING_MODEL={index.embedding_model} before the next ingest.\n")
    return 0


async def _run(roll_back: bool) -> IndexInfo:
    return await returned_as(IndexInfo, reindex(roll_back, return_state=True), otherwise="The index was not built")


if __name__ == "__main__":
    raise SystemExit(main())
