"""`python -m flows.serve`: register every deployment with its schedule, and run them until stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from contextlib import nullcontext, suppress

from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from rich.console import Console

from flows.deploy.deployments import deployments
from flows.ingest import chosen_sources
from flows.prefect.lost_runs import crash_silent_runs
from flows.prefect.server import ServerProcess, connected, free_port, log_to, wanted_server
from rag.command import CommandParser, run
from rag.engine import Engine
from rag.evaluate.queries import read_queries
from rag.settings import Settings, load_settings

__all__ = ["main"]

# Prefect's default port first.
_PORTS = range(4200, 4210)
# Concurrent runs: two sources, the watch and a question.
_AT_ONCE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the deployments."""
    parser = CommandParser(
        prog="python -m flows.serve",
        description="Register every deployment with its schedule and run them until stopped (Ctrl-C). They are "
        "registered in the Prefect server that PREFECT_API_URL names. If it is unset, a server is started on this "
        "machine and stopped at the end.",
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
    Engine.open(settings).close()  # what keeps every run from its work is told now
    server = wanted_server(lambda: ServerProcess(ui=True, port=free_port(*_PORTS)))
    with server or nullcontext(), connected(server):
        asyncio.run(_work(settings, server, console))
    return 0


async def _work(settings: Settings, server: ServerProcess | None, console: Console) -> None:
    """Register the deployments and run them until Ctrl-C or SIGTERM."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    _cancel_on_signals()
    with suppress(asyncio.CancelledError):
        runner = Runner(name="support-engine", limit=_AT_ONCE)
        for deployment in await deployments(settings.sources, settings.evaluation):
            await runner.aadd_deployment(deployment)
            say(f"registered  {deployment.flow_name}/{deployment.name}  {_crons(deployment)}".rstrip())
        await crash_silent_runs()
        say(f"Prefect     {server.url if server else await _configured_ui()}")
        working = asyncio.ensure_future(runner.start())
        # The runner installs its own handler when it starts, which would leave runs and schedules as they are.
        await asyncio.sleep(0)
        _cancel_on_signals()
        say("Running the deployments. Stop with Ctrl-C.")
        await working
    say("Stopped. The schedules are paused until the next start.")


def _cancel_on_signals() -> None:
    """Cancel this task on Ctrl-C and SIGTERM: a cancelled runner stops its runs and pauses its schedules."""
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
