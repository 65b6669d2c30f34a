"""Build an index for another embedding model from the stored documents and switch to it: `python -m flows.reindex`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact
from rich.console import Console

from flows.engine import shared_engine, watched_by, watcher
from flows.server import connected, log_to, wanted_server
from rag.command import CommandParser, run
from rag.errors import RagError
from rag.models import IndexInfo, SyncReport
from rag.settings import load_settings

__all__ = ["build_index", "main", "reindex"]


@task(task_run_name="build index", persist_result=False)
async def build_index() -> IndexInfo:
    """Cut and embed every stored document; a run that was interrupted goes on where it stopped."""
    watch = watcher()

    def build() -> IndexInfo:
        with shared_engine() as engine:
            return engine.reindex(progress=lambda done: watch("index", f"{done:,} documents done"))

    return await asyncio.to_thread(build)


@flow(name="reindex", flow_run_name="reindex", persist_result=False)
async def reindex() -> IndexInfo:
    """Build an index for RAG_EMBEDDING_MODEL beside the active one, then switch to it.

    Nothing is fetched: documents are kept as they were read. Questions are answered from the old index until the
    new one is whole; syncs wait.
    """
    index = await build_index()
    await acreate_markdown_artifact(
        f"The index is **{index.name}** now: {index.embedding_model}, {index.dimension} numbers a vector.",
        key="reindex",
    )
    return index


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the index."""
    parser = CommandParser(
        prog="python -m flows.reindex",
        description="Build an index for RAG_EMBEDDING_MODEL from the stored documents and switch to it. Nothing is "
        "fetched, and questions are answered meanwhile.",
        examples=["RAG_EMBEDDING_MODEL=openai/text-embedding-3-small python -m flows.reindex"],
    )
    return run(parser, _reindex, arguments)


def _reindex(options: argparse.Namespace) -> int:
    settings = load_settings()
    console = Console(stderr=True)
    log_to(console, debug=options.debug)

    def show(_name: str, news: SyncReport | str) -> None:
        console.print(str(news), markup=False, highlight=False, soft_wrap=True)

    with shared_engine(settings) as engine:
        engine.check_reindex()
        server = wanted_server()
        with server or nullcontext(), connected(server), watched_by(show):
            index = asyncio.run(_run())
    sys.stdout.write(f"The index is {index.name} now: {index.embedding_model}, {index.dimension} numbers a vector.\n")
    return 0


async def _run() -> IndexInfo:
    state = await reindex(return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, RagError):
        raise result
    if not isinstance(result, IndexInfo):
        raise RagError(f"The index was not built: {result}")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
