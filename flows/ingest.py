"""Bring the index in line with the sources: the flows, and `python -m flows.ingest` that runs them.

sync_source          one source, tried again while that may help
ingest_source        the same as a flow run, with a table of its outcome
ingest               all sources side by side; one that fails stops no other
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from prefect import flow, task
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.tasks import exponential_backoff
from rich.console import Console

from flows.engine import in_thread, shared_engine, watched_by, watcher
from flows.progress import show_progress, summary
from flows.retries import may_help_to_retry
from flows.server import connected, log_to, wanted_server
from rag.command import CommandParser, run
from rag.errors import ConfigurationError, RagError
from rag.models import Failure, StaleAnswer, SyncReport
from rag.settings import Settings, load_settings

__all__ = ["chosen_sources", "ingest", "ingest_source", "main", "run_ingest", "sync_source"]


# Runs that begin at the same instant collide in Prefect's SQLite, and its client then waits for two seconds.
_SECONDS_APART = 0.2


@task(
    task_run_name="sync {name}",
    retries=3,
    # A source has waited and tried again itself before it gives up; these pauses are for what lasts longer.
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
    persist_result=False,
)
async def sync_source(name: str, full: bool = False, accept_removals: bool = False) -> SyncReport:
    """Sync one source; a thread does the work, so that others go on meanwhile."""
    watch = watcher()
    stop = threading.Event()

    def report_progress(report: SyncReport) -> None:
        if stop.is_set():
            raise asyncio.CancelledError
        watch(name, report)

    def sync() -> SyncReport:
        with shared_engine() as engine:
            return engine.sync(name, full=full, accept_removals=accept_removals, progress=report_progress)

    try:
        return await in_thread(sync)
    except RagError as error:
        watch(name, str(error))
        raise
    finally:
        stop.set()


@flow(name="ingest-source", flow_run_name="ingest {name}", persist_result=False)
async def ingest_source(name: str, full: bool = False, accept_removals: bool = False) -> SyncReport | State[Any]:
    """Bring the index in line with one source.

    New and changed documents are cut, embedded and written; deleted ones are removed. The table artifact of the run
    says how many, and what failed. A run is Failed if anything could not be read; what was read is in the index
    all the same, and the next run tries the rest again.

    Args:
        name: The source's name in sources.toml.
        full: Read the whole source again and remove what is gone, instead of only what changed.
        accept_removals: Remove what is gone even if that is most of the source. Without it a run that would do so
            removes nothing and fails.

    """
    try:
        report = await sync_source(name, full, accept_removals)
    except RagError as error:
        problem = str(error)
        report = await in_thread(lambda: _broken_off(name, problem))
    await acreate_table_artifact(
        outcome_table(report), key=artifact_key("ingest", name), description=f"**{name}**: {summary(report)}"
    )
    await _list_stale_answers()
    if report.state == "failed":
        return Failed(message=_why(report), data=report)
    return report


async def _list_stale_answers() -> None:
    """Leave a table of the logged answers whose sources have changed, where any answer is logged."""

    def read() -> list[StaleAnswer] | None:
        with shared_engine() as engine:
            return engine.store.stale_answers() if engine.store.answer_counts().logged else None

    stale = await in_thread(read)
    if stale is not None:
        rows = [answer.to_json() for answer in stale]
        await acreate_table_artifact(rows, key="stale-answers", description="Questions to be answered anew")


@flow(name="ingest", flow_run_name="ingest", persist_result=False)
async def ingest(
    names: list[str] | None = None, full: bool = False, accept_removals: bool = False
) -> list[SyncReport] | State[Any]:
    """Bring the index in line with several sources at once; one that fails stops no other.

    Args:
        names: Names of sources in sources.toml; all of them, if none.
        full: Read the sources in full and remove what is gone, instead of only what changed.
        accept_removals: Remove what is gone even if that is most of a source.

    """
    with shared_engine() as engine:
        chosen = names or [source.name for source in engine.settings.sources]
        states = await asyncio.gather(
            *(_begin(name, full, accept_removals, position) for position, name in enumerate(chosen))
        )
        reports = [await _report(name, state) for name, state in zip(chosen, states, strict=True)]
    failed = [report.name for report in reports if report.state == "failed"]
    if failed:
        return Failed(message=f"{len(failed)} of {len(reports)} sources failed: {', '.join(failed)}.", data=reports)
    return reports


async def _begin(name: str, full: bool, accept_removals: bool, position: int) -> State[Any]:
    await asyncio.sleep(position * _SECONDS_APART)
    return await ingest_source(name, full, accept_removals, return_state=True)


async def _report(name: str, state: State[Any]) -> SyncReport:
    """Return a run's report; that of a run which crashed says so."""
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, SyncReport):
        return result
    return await in_thread(lambda: _broken_off(name, f"{type(result).__name__}: {result}"))


def _broken_off(name: str, error: str) -> SyncReport:
    """Return the report of a sync that ended in an error."""
    with shared_engine() as engine:
        config = engine.source_config(name)
    place = config.repo if config.kind == "github" else config.url
    return SyncReport(name, config.kind, "failed", errors=(Failure(place, error),))


def _why(report: SyncReport) -> str:
    first = report.errors[0]
    if not report.failed:
        return f"{report.name}: {first.error}"
    return f"{report.name}: {report.failed} of {report.seen} documents failed; the first, {first.url}: {first.error}"


def outcome_table(report: SyncReport) -> list[dict[str, Any]]:
    """Return a report as the rows of a table artifact."""
    outcome = report.to_json()
    rows = [{"what": f"documents {word}", "outcome": count} for word, count in outcome["documents"].items()]
    rows += [{"what": f"chunks {word}", "outcome": count} for word, count in outcome["chunks"].items()]
    rows += [{"what": word, "outcome": outcome[word]} for word in ("embedded", "requests", "seconds")]
    return rows + [{"what": f"failed: {failure.url}", "outcome": failure.error} for failure in report.errors]


def artifact_key(*words: str) -> str:
    """Make a key of words; Prefect's hold a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def main(arguments: Sequence[str] | None = None) -> int:
    """Sync the sources named on the command line."""
    parser = CommandParser(
        prog="python -m flows.ingest",
        description="Bring the index in line with the sources now, as Prefect flow runs. They are recorded in the "
        "Prefect server that PREFECT_API_URL names, or in a temporary one.",
        examples=[
            "python -m flows.ingest",
            "python -m flows.ingest postgres tls13-spec",
            "python -m flows.ingest postgres --full --json",
        ],
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a source in sources.toml; all of them, if none")
    parser.add_argument("--full", action="store_true", help="read everything again and remove what is gone")
    parser.add_argument(
        "--accept-removals", action="store_true", help="remove what is gone even if that is most of a source"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _ingest, arguments)


def _ingest(options: argparse.Namespace) -> int:
    settings = load_settings()
    names = chosen_sources(settings, options.names)
    console = Console(stderr=True)
    log_to(console, debug=options.debug)
    server = wanted_server()
    with server or nullcontext(), shared_engine(settings):
        import_module("rag.ingestion")  # takes a second, in which the server boots
        with connected(server), show_progress(console, names) as watch, watched_by(watch):
            reports = asyncio.run(run_ingest(names, full=options.full, accept_removals=options.accept_removals))
    if options.json:
        json.dump({"sources": [report.to_json() for report in reports]}, sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.writelines(f"{report.name}: {summary(report)}\n" for report in reports)
    return 1 if any(report.state == "failed" for report in reports) else 0


async def run_ingest(names: list[str], *, full: bool = False, accept_removals: bool = False) -> list[SyncReport]:
    """Run the flow and return its reports, of failed sources as well."""
    state = await ingest(names, full, accept_removals, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    assert isinstance(result, list)
    return result


def chosen_sources(settings: Settings, names: Sequence[str]) -> list[str]:
    """Return the named sources, or all of them.

    :raises ConfigurationError: the sources file is wrong or empty, or has no source of a name
    """
    known = [source.name for source in settings.sources]
    if not known:
        raise ConfigurationError(f"There is no source in {settings.sources_path}. docs/sources.md explains them.")
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"No source is called {name!r} in {settings.sources_path}; there are: {', '.join(known)}."
            )
    return list(dict.fromkeys(names)) or known


if __name__ == "__main__":
    raise SystemExit(main())
