"""Sync the sources into the index: the flows, and `python -m flows.ingest` that runs them.

sync_source          a task that syncs one source, with retries
ingest_source        the same as a flow run, with a table of its outcome
ingest               several sources concurrently; the failure of one does not stop the others
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from importlib import import_module
from typing import Any

from flows.announce import announce

announce("ingest")

import httpx
from prefect import Flow, flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled, Completed, Failed
from rich.console import Console

from flows.embedding import embedding_workers
from flows.engine import Ended, in_thread, progress_listener, reporting_to, shared_engine
from flows.prefect.abandoned import known_reader
from flows.prefect.endings import told
from flows.prefect.limits import asking, crawls_at_once, host_limit
from flows.prefect.retries import retrying_task
from flows.prefect.returned import keep, returned
from flows.prefect.run_records import Outcome, capture_warnings, link_failures, live_artifact, outcome_rows, rename_run
from flows.prefect.server import GONE, connected, log_to, wanted_server
from flows.progress import counts, show_progress, summary
from flows.turns import WhenBusy, when_free
from rag.command import CommandParser, print_json, run
from rag.errors import ConfigurationError, RagError, SourceBusy
from rag.ingest.report import Failure, SyncReport
from rag.settings import DocsConfig, Settings, SourceConfig, load_settings
from rag.store.answers import StaleAnswer
from rag.text.lines import one_line
from rag.trust.secrets import masked
from rag.trust.urls import shown

__all__ = ["chosen_sources", "ingest", "ingest_source", "main", "run_ingest", "sync_source"]

# An age that no source reaches: a failed run alerts for failures only; the watch alerts for age.
_NEVER_TOO_OLD = timedelta(days=36500)
# Runs that begin at the same instant collide in Prefect's SQLite, and its client then waits for two seconds.
_SECONDS_APART = 0.2
_SKIPPED = "Skipped"


@retrying_task("sync {name}")
async def sync_source(
    name: str, full: bool = False, accept_removals: bool = False, when_busy: WhenBusy = "fail"
) -> SyncReport | State[Any]:
    """Sync one source in a thread, so that other sources are synced meanwhile."""
    listener = progress_listener()
    stop = threading.Event()
    with shared_engine() as engine:
        expected = await in_thread(lambda: engine.operations.document_count(name))
        # Only a sync that sees every document can tell its progress.
        config = engine.syncs.config(name)
        sees_all = full or config.kind == "docs"
        run_on = engine.settings.run_on
    outcome = Outcome(name, expected if sees_all and expected else None)

    def report_progress(report: SyncReport) -> None:
        if stop.is_set():
            raise asyncio.CancelledError
        outcome.latest = report
        listener(name, report)

    def check_free() -> None:
        with shared_engine() as engine, engine.syncs.holding(name):
            pass

    def sync(at_once: int | None = None) -> SyncReport:
        with shared_engine() as engine:
            return engine.syncs.sync(
                name,
                full=full,
                accept_removals=accept_removals,
                at_once=at_once,
                embedding_workers=workers,
                progress=report_progress,
            )

    async def sync_in_turn() -> SyncReport:
        if not isinstance(config, DocsConfig):
            return await when_free(sync, name, when_busy)
        # Before waiting for the host: a run that is to be skipped does not wait.
        await when_free(check_free, name, when_busy)
        async with known_reader(config), asking(config) as at_once:
            return await when_free(lambda: sync(at_once), name, when_busy)

    try:
        with capture_warnings() as warnings:
            async with live_artifact(outcome), embedding_workers(run_on) as workers:
                report = await sync_in_turn()
        listener(name, Ended(report))
        await _record(report, outcome, warnings)
    except SourceBusy as error:
        listener(name, str(error))
        if when_busy == "skip":
            return Cancelled(name=_SKIPPED, message=f"{error} The next run reads what is new.")
        raise
    except RagError as error:
        listener(name, str(error))
        raise
    finally:
        stop.set()
    if warnings and report.state == "completed":
        return Completed(message=" ".join(warnings), data=report)
    return report


async def _record(report: SyncReport, outcome: Outcome, warnings: Sequence[str] = ()) -> None:
    """Write the artifacts of a sync that has ended."""
    failures = {f"{failure.url}: {failure.error}" for failure in report.errors}
    shown = [warning for warning in warnings if warning not in failures]
    await outcome.show(report, outcome_rows(report, warnings=shown))
    await link_failures(report.name, report.errors)


async def _count_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Count a failed run, and send an alert after RAG_ALERT_FAILURES of them."""
    del flow, state
    name = str(flow_run.parameters["name"])

    def count() -> None:
        with shared_engine() as engine:
            engine.operations.count_failure(name)
            engine.operations.send_alerts({name: _NEVER_TOO_OLD})

    await in_thread(count)


@flow(
    name="ingest-source",
    flow_run_name="ingest {name}",
    persist_result=False,
    on_failure=[_count_failure],
    on_crashed=[_count_failure],
)
@told
async def ingest_source(
    name: str, full: bool = False, accept_removals: bool = False, when_busy: WhenBusy = "wait"
) -> SyncReport | State[Any]:
    """Sync one source into the index.

    New and changed documents are chunked, embedded and written; deleted ones are removed. The run's name and its table
    artifact tell the numbers and the failures; link artifacts lead to the pages that could not be read. A run is Failed
    if any document could not be read; the others are in the index, and the next run tries the failed ones again.

    Args:
        name: The source's name in sources.toml.
        full: Read the whole source again and remove documents that were deleted upstream, instead of reading changes.
        accept_removals: Remove deleted documents even if they are most of the source. Otherwise such a run removes
            nothing and fails.
        when_busy: What to do while another sync or a backfill of the source is running: "wait" for its end, "skip"
            this run, which ends as Skipped, or "fail".

    """
    await rename_run(f"ingest {name}")
    ended: Any = sync_source(name, full, accept_removals, when_busy, return_state=True)
    state: State[Any] = await ended
    if state.name == _SKIPPED:
        await rename_run(f"ingest {name} · skipped")
        return Cancelled(name=_SKIPPED, message=state.message)
    report = await state.aresult(raise_on_failure=False)
    if isinstance(report, RagError):
        problem = str(report)
        broken_off = await in_thread(lambda: _broken_off(name, problem))
        await _record(broken_off, Outcome(name))
        report = broken_off
    if not isinstance(report, SyncReport):
        return state  # the task was cancelled or has crashed
    await rename_run(f"ingest {name} · {counts(report) or ('failed' if report.errors else 'nothing changed')}")
    await _list_stale_answers()
    if report.state == "failed":
        return keep(Failed(message=_why(report), data=report))
    line = summary(report)
    warnings = f" Warnings: {state.message}" if state.message and state.name == "Completed" else ""
    return keep(Completed(message=f"{line[0].upper()}{line[1:]}.{warnings}", data=report))


async def _list_stale_answers() -> None:
    """Write a table of the logged answers whose sources have changed, if any answer is logged."""

    def read() -> list[StaleAnswer] | None:
        with shared_engine() as engine:
            return engine.answer_log.stale() if engine.answer_log.counts().logged else None

    stale = await in_thread(read)
    if stale is not None:
        rows = [answer.to_json() for answer in stale]
        await acreate_table_artifact(rows, key="stale-answers", description="Questions to ask again")


@flow(name="ingest", flow_run_name="ingest", persist_result=False)
@told
async def ingest(
    names: list[str] | None = None, full: bool = False, accept_removals: bool = False
) -> list[SyncReport] | State[Any]:
    """Sync several sources into the index concurrently; the failure of one does not stop the others.

    Args:
        names: Names of sources in sources.toml; all sources, if empty.
        full: Read the sources in full and remove deleted documents, instead of reading changes.
        accept_removals: Remove deleted documents even if they are most of a source.

    """
    with shared_engine() as engine:
        chosen = names or [source.name for source in engine.settings.sources]
        turns = await _turns(engine.syncs.config(name) for name in chosen)
        ended = await asyncio.gather(
            *(_ended(name, full, accept_removals, position, turns) for position, name in enumerate(chosen))
        )
        reports = [await _report(name, end) for name, end in zip(chosen, ended, strict=True)]
    failed = [report.name for report in reports if report.state == "failed"]
    if failed:
        message = f"{len(failed)} of {len(reports)} sources failed: {', '.join(failed)}."
        return keep(Failed(message=message, data=reports))
    return keep(reports)


async def _turns(configs: Iterable[SourceConfig]) -> dict[str, asyncio.Semaphore]:
    """Return, by name, the turns of the sources that share a host.

    One run more begins than the host's concurrency limit allows, so that it is ready when its turn comes: many that
    wait at once keep Prefect's SQLite busy.
    """
    docs = [config for config in configs if isinstance(config, DocsConfig)]
    of_host: dict[str, asyncio.Semaphore] = {}
    for config in docs:
        if (host := host_limit(config)) not in of_host:
            of_host[host] = asyncio.Semaphore(await crawls_at_once(config) + 1)
    return {config.name: of_host[host_limit(config)] for config in docs}


async def _ended(
    name: str, full: bool, accept_removals: bool, position: int, turns: Mapping[str, asyncio.Semaphore]
) -> object:
    await asyncio.sleep(position * _SECONDS_APART)
    async with turns.get(name, nullcontext()):
        try:
            return await returned(ingest_source(name, full, accept_removals, "fail", return_state=True))
        except Exception as error:  # noqa: BLE001 - Prefect could not begin this run; the others go on
            return error


async def _report(name: str, end: object) -> SyncReport:
    """Return a run's report; for a crashed run, a failed report with its error."""
    if isinstance(end, SyncReport):
        return end
    problem = _sentence(end)
    return await in_thread(lambda: _broken_off(name, problem))


def _sentence(end: object) -> str:
    """Return why a run has no report, never the form in which Prefect or Python shows an object."""
    if isinstance(end, RagError):
        return str(end)
    if isinstance(end, State):
        return one_line(end.message or "") or f"Its run ended as {end.name}, without a reason."
    is_busy = isinstance(end, PrefectHTTPStatusError) and end.response.status_code >= 500
    if is_busy or isinstance(end, httpx.TransportError):
        return GONE
    said = masked(one_line(end)) or "no message"
    return f"Its run broke off by {type(end).__name__}: {said.rstrip('.')}."


def _broken_off(name: str, error: str) -> SyncReport:
    """Return the report of a sync that ended in an error."""
    with shared_engine() as engine:
        config = engine.syncs.config(name)
    place = config.repo if config.kind == "github" else shown(config.url)
    return SyncReport(name, config.kind, "failed", errors=(Failure(place, error),))


def _why(report: SyncReport) -> str:
    first = report.errors[0]
    if not report.failed:
        return f"{report.name}: {first.error.removeprefix(f'{report.name}: ')}"
    return f"{report.name}: {report.failed} of {report.seen} documents failed; the first, {first.url}: {first.error}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Sync the sources named on the command line."""
    parser = CommandParser(
        prog="python -m flows.ingest",
        description="Sync the sources into the index now, as Prefect flow runs. They are recorded in the Prefect "
        "server that PREFECT_API_URL names, or in a temporary one.",
        examples=[
            "python -m flows.ingest",
            "python -m flows.ingest postgres tls13-spec",
            "python -m flows.ingest postgres --full --json",
        ],
        interrupted="interrupted: what was indexed is kept; run the command again to continue",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a source in sources.toml (default: all)")
    parser.add_argument("--full", action="store_true", help="read everything again and remove deleted documents")
    parser.add_argument(
        "--accept-removals", action="store_true", help="remove deleted documents even if they are most of a source"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _ingest, arguments)


def _ingest(options: argparse.Namespace) -> int:
    settings = load_settings()
    names = chosen_sources(settings, options.names)
    console = Console(stderr=True)
    log_to(console, debug=options.debug)
    with (
        show_progress(console, names, doing="starting Prefect") as listener,
        wanted_server(run_on=settings.run_on) or nullcontext() as server,
        shared_engine(settings),
    ):
        import_module("rag.ingest.pipeline")  # takes a second while the server boots
        with connected(server), reporting_to(listener):
            listener.doing("reading the sources")
            reports = asyncio.run(run_ingest(names, full=options.full, accept_removals=options.accept_removals))
    if options.json:
        print_json({"sources": [report.to_json() for report in reports]})
    else:
        sys.stdout.writelines(f"{report.name}: {summary(report)}\n" for report in reports)
    return 1 if any(report.state == "failed" for report in reports) else 0


async def run_ingest(names: list[str], *, full: bool = False, accept_removals: bool = False) -> list[SyncReport]:
    """Run the flow; return the reports of all sources, failed ones included."""
    result = await returned(ingest(names, full, accept_removals, return_state=True))
    if isinstance(result, RagError) or (isinstance(result, BaseException) and not isinstance(result, Exception)):
        raise result
    if not isinstance(result, list):
        raise RagError(_sentence(result))
    return result


def chosen_sources(settings: Settings, names: Sequence[str]) -> list[str]:
    """Return the named sources, or all of them.

    :raises ConfigurationError: the sources file is invalid or empty, or a name is not in it
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
