"""`python -m flows.serve`: every deployment with its schedule, and a process that works on them until stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import zlib
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType
from rich.console import Console

from flows.answer import answer
from flows.evaluate import evaluate
from flows.ingest import chosen_sources, ingest_source
from flows.server import ServerProcess, connected, free_port, log_to, wanted_server
from rag.command import CommandParser, run
from rag.evaluate.queries import read_queries
from rag.settings import Settings, SourceConfig, load_settings

__all__ = ["deployments", "main"]

#: Monday 00:00 UTC: the week that a full reconcile closes.
WEEKLY = "0 0 * * MON"
#: 06:00 UTC: the nightly syncs begin before five.
DAILY = "0 6 * * *"
# Prefect's own port, and those tried after it.
_PORTS = range(4200, 4210)
# So many runs at once: two sources and a question.
_AT_ONCE = 3

# Runs wait for their turn, so that none is lost: an hourly run that meets the weekly one goes after it.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)


async def deployments(sources: Sequence[SourceConfig], evaluation: Path | None = None) -> list[RunnerDeployment]:
    """Return a deployment for each source, the one that answers, and, for a file of queries, the one that evaluates."""
    found = [await ingest_deployment(source) for source in sources] + [await answer_deployment()]
    return [*found, await evaluation_deployment(evaluation)] if evaluation else found


async def ingest_deployment(source: SourceConfig) -> RunnerDeployment:
    """Return the deployment of a source: incremental by its kind's schedule, in full once a week."""
    place = source.repo if source.kind == "github" else source.url
    often = "every hour" if source.kind == "github" else "every night"
    return await ingest_source.ato_deployment(
        name=f"ingest {source.name}",
        description=(
            f"Brings the index in line with **{source.name}** ({source.kind}: {place}).\n\n"
            f"- {often}: what is new, changed or deleted\n"
            "- Monday 00:00 UTC: reads everything again and removes what is gone (`full`)\n\n"
            "Each run leaves a table of its outcome. Two runs of this source never overlap: the second waits."
        ),
        tags=["ingest", source.kind, source.name],
        parameters={"name": source.name, "full": False},
        schedules=[
            Cron(schedule_of(source), timezone="UTC", slug="incremental"),
            Cron(WEEKLY, timezone="UTC", slug="full", parameters={"full": True}),
        ],
        concurrency_limit=_ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def answer_deployment() -> RunnerDeployment:
    """Return the deployment that answers questions; it has no schedule."""
    return await answer.ato_deployment(
        name="answer",
        description=(
            "Answers a question from the ingested sources. The answer and its sources are the run's artifact.\n\n"
            "The same question of an unchanged index is answered from the cache."
        ),
        tags=["answer"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def evaluation_deployment(queries: Path) -> RunnerDeployment:
    """Return the deployment that evaluates a file of queries every day, when the nightly syncs are done."""
    return await evaluate.ato_deployment(
        name=f"evaluate {queries.stem}",
        description=(
            f"Evaluates **{queries.name}** every day and keeps the outcome.\n\n"
            "A run fails if a metric fell by more than `allowed_drop` since the last good one."
        ),
        tags=["evaluate"],
        parameters={"queries": str(queries.absolute())},
        schedules=[Cron(DAILY, timezone="UTC", slug="daily")],
        concurrency_limit=_ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def schedule_of(source: SourceConfig) -> str:
    """Return when a source is synced, in cron's words: GitHub every hour, others every night, each at its own minute.

    The minute comes from the name, so that it stays when sources come and go, and is never the first of an hour,
    which belongs to the weekly run.
    """
    place = zlib.crc32(source.name.encode())
    minute = 5 + place % 50
    return f"{minute} * * * *" if source.kind == "github" else f"{minute} {1 + place // 50 % 4} * * *"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the deployments."""
    parser = CommandParser(
        prog="python -m flows.serve",
        description="Register a deployment for every source, with its schedule, and one that answers; work on them "
        "until stopped (Ctrl-C). They go to the Prefect server that PREFECT_API_URL names. Without one, a server is "
        "started on this machine and stopped again at the end.",
        examples=[
            "python -m flows.serve",
            "PREFECT_API_URL=http://prefect.internal:4200/api python -m flows.serve",
            "python -m prefect deployment run 'ingest-source/ingest NAME'",
        ],
    )
    return run(parser, _serve, arguments)


def _serve(options: argparse.Namespace) -> int:
    settings = load_settings()
    chosen_sources(settings, [])
    if settings.evaluation:
        read_queries(settings.evaluation)
    console = Console(stderr=True)
    log_to(console, debug=options.debug)
    server = wanted_server(lambda: ServerProcess(ui=True, port=free_port(*_PORTS)))
    with server or nullcontext(), connected(server):
        asyncio.run(_work(settings, server, console))
    return 0


async def _work(settings: Settings, server: ServerProcess | None, console: Console) -> None:
    """Register the deployments and work on them until Ctrl-C or SIGTERM."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    _cancel_on_signals()
    with suppress(asyncio.CancelledError):
        runner = Runner(name="support-engine", limit=_AT_ONCE)
        for deployment in await deployments(settings.sources, settings.evaluation):
            await runner.aadd_deployment(deployment)
            say(f"registered  {deployment.flow_name}/{deployment.name}  {_crons(deployment)}".rstrip())
        say(f"Prefect     {server.url if server else await _configured_ui()}")
        working = asyncio.ensure_future(runner.start())
        # As it starts, the runner sets a handler of its own, which would leave runs and schedules as they are.
        await asyncio.sleep(0)
        _cancel_on_signals()
        say("Working on them. Stop with Ctrl-C.")
        await working
    say("Stopped. The schedules are paused until the next start.")


def _cancel_on_signals() -> None:
    """End this task on Ctrl-C and SIGTERM: a runner that is cancelled ends its runs and pauses its schedules."""
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _crons(deployment: RunnerDeployment) -> str:
    crons = (getattr(schedule.schedule, "cron", "") for schedule in deployment.schedules or [])
    return ", ".join(cron + " UTC" for cron in crons)


async def _configured_ui() -> str:
    async with get_client() as client:
        return str(client.api_url).removesuffix("/").removesuffix("/api")


if __name__ == "__main__":
    raise SystemExit(main())
