"""Bring the index in line with the sources: the flows, and `python -m flows.ingest` that runs them.

sync_source          one source, tried again while that may help
ingest_source        the same as a flow run, with a table of its outcome
ingest               all sources side by side; one that fails stops no other
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from importlib import import_module
from typing import Any, Literal, TypeVar

from prefect import Flow, flow, get_run_logger, runtime, task
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import exponential_backoff
from rich.console import Console

from flows.embedding import helpers
from flows.engine import in_thread, shared_engine, watched_by, watcher
from flows.prefect.limits import asking
from flows.prefect.retries import may_help_to_retry
from flows.prefect.run_records import Outcome, followed, hear_warnings, link_failures, name_run, outcome_rows
from flows.prefect.server import connected, log_to, wanted_server
from flows.progress import counts, show_progress, summary
from rag.command import CommandParser, run
from rag.errors import ConfigurationError, RagError, SourceBusy
from rag.models import Failure, StaleAnswer, SyncReport
from rag.settings import DocsConfig, Settings, load_settings

__all__ = ["WhenBusy", "chosen_sources", "ingest", "ingest_source", "main", "run_ingest", "sync_source", "when_free"]

T = TypeVar("T")

#: An age that nothing reaches: only failures are told of then.
NEVER_TOO_OLD = timedelta(days=36500)

#: What a run does where another sync of its source is under way.
WhenBusy = Literal["wait", "skip", "fail"]

# Runs that begin at the same instant collide in Prefect's SQLite, and its client then waits for two seconds.
_SECONDS_APART = 0.2
# How often a run that waits looks whether the other one has ended, and how long it waits: a large repository's first
# sync without a token lasts that long.
_SECONDS_BETWEEN_LOOKS = 5.0
_LONGEST_WAIT_SECONDS = 12 * 3600.0
_SKIPPED = "Skipped"


@task(
    task_run_name="sync {name}",
    retries=3,
    # A source has waited and tried again itself before it gives up; these pauses are for what lasts longer.
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_help_to_retry,
    persist_result=False,
)
async def sync_source(
    name: str, full: bool = False, accept_removals: bool = False, when_busy: WhenBusy = "fail"
) -> SyncReport | State[Any]:
    """Sync one source; a thread does the work, so that others go on meanwhile."""
    watch = watcher()
    stop = threading.Event()
    with shared_engine() as engine:
        expected = await in_thread(lambda: engine.store.document_count(name))
        # Only a sync that sees every document can say how far it is.
        config = engine.source_config(name)
        sees_all = full or config.kind == "docs"
        embed_on = engine.settings.embed_on
    outcome = Outcome(name, expected if sees_all and expected else None)

    def report_progress(report: SyncReport) -> None:
        if stop.is_set():
            raise asyncio.CancelledError
        outcome.latest = report
        watch(name, report)

    def look() -> None:
        with shared_engine() as engine, engine.holding(name):
            pass

    def sync(at_once: int | None = None) -> SyncReport:
        with shared_engine() as engine:
            return engine.sync(
                name,
                full=full,
                accept_removals=accept_removals,
                at_once=at_once,
                helpers=helped_by,
                progress=report_progress,
            )

    async def sync_in_turn() -> SyncReport:
        if not isinstance(config, DocsConfig):
            return await when_free(sync, name, when_busy)
        # A run that is to be skipped does not wait for its host first.
        await when_free(look, name, when_busy)
        async with asking(config) as at_once:
            return await when_free(lambda: sync(at_once), name, when_busy)

    try:
        with hear_warnings() as warnings:
            async with followed(outcome), helpers(embed_on) as helped_by:
                report = await sync_in_turn()
        await _record(report, outcome, warnings)
    except SourceBusy as error:
        watch(name, str(error))
        if when_busy == "skip":
            return Cancelled(name=_SKIPPED, message=f"{error} The next run brings what is new.")
        raise
    except RagError as error:
        watch(name, str(error))
        raise
    finally:
        stop.set()
    if warnings and report.state == "completed":
        return Completed(message=" ".join(warnings), data=report)
    return report


async def when_free(work: Callable[[], T], name: str, when_busy: WhenBusy = "wait") -> T:
    """Do a source's work in a thread; where another sync of it is running, once that has ended, if asked to wait.

    :raises SourceBusy: it is running, and this is not to wait, or has waited for long
    """
    until = time.monotonic() + _LONGEST_WAIT_SECONDS
    waiting = False
    while True:
        try:
            return await in_thread(work)
        except SourceBusy as error:
            if when_busy != "wait" or time.monotonic() > until:
                raise
            if not waiting:
                watcher()(name, f"{error} Waiting.")
                get_run_logger().info("%s Waiting for it.", error)
                await name_run(f"{runtime.flow_run.name} · waiting for another sync")
            waiting = True
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


async def _record(report: SyncReport, outcome: Outcome, warnings: Sequence[str] = ()) -> None:
    """Leave the artifacts of a sync that has ended."""
    with shared_engine() as engine:
        cost = engine.cost(report)
    failures = {f"{failure.url}: {failure.error}" for failure in report.errors}
    told = [said for said in warnings if said not in failures]
    await outcome.show(report, outcome_rows(report, cost=cost, warnings=told))
    await link_failures(report.name, report.errors)


async def _count_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Count a run that failed, and tell of it where it was one too many."""
    del flow, state
    name = str(flow_run.parameters["name"])

    def count() -> None:
        with shared_engine() as engine:
            engine.store.count_failure(name)
            engine.tell_of_trouble({name: NEVER_TOO_OLD})

    await in_thread(count)


@flow(
    name="ingest-source",
    flow_run_name="ingest {name}",
    persist_result=False,
    on_failure=[_count_failure],
    on_crashed=[_count_failure],
)
async def ingest_source(
    name: str, full: bool = False, accept_removals: bool = False, when_busy: WhenBusy = "wait"
) -> SyncReport | State[Any]:
    """Bring the index in line with one source.

    New and changed documents are cut, embedded and written; deleted ones are removed. The run's name and its table
    artifact say how many, and what failed; link artifacts lead to the pages that could not be read. A run is Failed if
    anything could not be read; what was read is in the index all the same, and the next run tries the rest again.

    Args:
        name: The source's name in sources.toml.
        full: Read the whole source again and remove what is gone, instead of only what changed.
        accept_removals: Remove what is gone even if that is most of the source. Without it a run that would do so
            removes nothing and fails.
        when_busy: What to do while another sync or a backfill of the source is running. "wait" for its end, "skip"
            this run, which ends as Skipped, or "fail".

    """
    await name_run(f"ingest {name}")
    ended: Any = sync_source(name, full, accept_removals, when_busy, return_state=True)
    state: State[Any] = await ended
    if state.name == _SKIPPED:
        await name_run(f"ingest {name} · skipped")
        return Cancelled(name=_SKIPPED, message=state.message)
    report = await state.aresult(raise_on_failure=False)
    if isinstance(report, RagError):
        problem = str(report)
        broken_off = await in_thread(lambda: _broken_off(name, problem))
        await _record(broken_off, Outcome(name))
        report = broken_off
    if not isinstance(report, SyncReport):
        return state  # it was cancelled, or crashed
    await name_run(f"ingest {name} · {counts(report) or ('failed' if report.errors else 'nothing changed')}")
    await _list_stale_answers()
    if report.state == "failed":
        return Failed(message=_why(report), data=report)
    said = summary(report)
    warned = f" Warnings: {state.message}" if state.message and state.name == "Completed" else ""
    return Completed(message=f"{said[0].upper()}{said[1:]}.{warned}", data=report)


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
    return await ingest_source(name, full, accept_removals, "fail", return_state=True)


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
    server = wanted_server(workers_of="RAG_EMBED_ON" if settings.embed_on == "workers" else None)
    with server or nullcontext(), shared_engine(settings):
        import_module("rag.ingest.pipeline")  # takes a second, in which the server boots
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
