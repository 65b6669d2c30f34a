"""Every deployment, defined once: for `flows.serve`, and for `prefect deploy --all` by way of prefect.yaml.

`python -m flows.deployments` writes prefect.yaml for the sources of sources.toml. To add a deployment, add a function
that returns it, and name that in `deployments`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.answer import answer
from flows.backfill import backfill
from flows.embedding import EMBED, embed_batch
from flows.evaluate import evaluate
from flows.ingest import chosen_sources, ingest_source
from flows.maintain import maintain, watch
from flows.reindex import reindex
from flows.schedules import DAILY, MAINTENANCE, WATCH, WEEKLY, schedule_of
from flows.windows import WINDOWS, backfill_windows
from rag.command import CommandParser, run
from rag.settings import GitHubConfig, SourceConfig, load_settings

__all__ = ["deployments", "main", "prefect_yaml"]

_POOL = "support-engine"
# Runs wait for their turn, so that none is lost: an hourly run that meets the weekly one goes after it.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
# What `flows` sets for itself elsewhere; a worker has imported Prefect before it.
_ENVIRONMENT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
_HEAD = """\
# Written by python -m flows.deployments from sources.toml; do not edit, write it anew.
#
#   prefect work-pool create --type process {pool}
#   prefect deploy --all                               # in the checkout, with PREFECT_API_URL set
#   prefect worker start --pool {pool}       # on each machine, with the same settings
"""


async def deployments(sources: Sequence[SourceConfig], evaluation: Path | None = None) -> list[RunnerDeployment]:
    """Return the deployments of each source, and those that are there once.

    :param evaluation: a file of queries to evaluate every day
    """
    ingests = [await ingest_deployment(source) for source in sources]
    backfills = [await backfill_deployment(source) for source in sources if isinstance(source, GitHubConfig)]
    return [
        *ingests,
        *backfills,
        *([await evaluation_deployment(evaluation)] if evaluation else []),
        await windows_deployment(),
        await embed_deployment(),
        await reindex_deployment(),
        await maintain_deployment(),
        await watch_deployment(),
        await answer_deployment(),
    ]


async def ingest_deployment(source: SourceConfig) -> RunnerDeployment:
    """Return the deployment of a source: incremental by its kind's schedule, in full once a week."""
    place = source.repo if source.kind == "github" else source.url
    often = "every hour" if source.kind == "github" else "every night"
    return await ingest_source.ato_deployment(
        name=f"ingest {source.name}",
        description=(
            f"Brings the index in line with **{source.name}** ({source.kind}: {place}).\n\n"
            f"- {often}: what is new, changed or deleted; skipped while another one, or a backfill, is under way\n"
            "- Monday 00:00 UTC: reads everything again and removes what is gone (`full`)\n\n"
            "A run's name says what it brought: *12 new, 3 changed*. Its table shows documents, chunks, requests, cost "
            "and failures; links lead to pages that could not be read. It is Failed if anything could not be read.\n\n"
            "Two runs of this source never overlap: the second waits."
        ),
        tags=["ingest", source.kind, source.name],
        parameters={"name": source.name, "full": False, "accept_removals": False, "when_busy": "wait"},
        schedules=[
            # What is new comes with the run that is under way, or the next.
            Cron(schedule_of(source), timezone="UTC", slug="incremental", parameters={"when_busy": "skip"}),
            Cron(WEEKLY, timezone="UTC", slug="full", parameters={"full": True}),
        ],
        concurrency_limit=_ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def backfill_deployment(source: GitHubConfig) -> RunnerDeployment:
    """Return the deployment that reads a repository's past."""
    return await backfill.ato_deployment(
        name=f"backfill {source.name}",
        description=(
            f"Reads the past of **{source.name}** ({source.repo}) in windows of a week, several at a time.\n\n"
            "Run it once for a large repository, or for a span that was missed. Interrupted and run again, it goes on "
            "with the windows that are not done. Syncs of the source wait meanwhile, or are skipped.\n\n"
            "The table shows every window, the progress artifact how far it is."
        ),
        tags=["backfill", "github", source.name],
        parameters={"name": source.name, "window": 7},
        concurrency_limit=_ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def windows_deployment() -> RunnerDeployment:
    """Return the deployment that backfills give windows to; any number of its runs may be under way."""
    return await backfill_windows.ato_deployment(
        name=WINDOWS.partition("/")[2],
        description=(
            "Reads some windows of a backfill, on any worker. Backfills start its runs where `RAG_BACKFILL_ON` is "
            "`workers`; there is no reason to start one by hand."
        ),
        tags=["backfill"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def embed_deployment() -> RunnerDeployment:
    """Return the deployment that syncs give texts to; any number of its runs may be under way."""
    return await embed_batch.ato_deployment(
        name=EMBED.partition("/")[2],
        description=(
            "Embeds a batch of texts for a sync or a new index, on any worker. They start its runs where "
            "`RAG_EMBED_ON` is `workers`; there is no reason to start one by hand."
        ),
        tags=["ingest"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def reindex_deployment() -> RunnerDeployment:
    """Return the deployment that builds another index."""
    return await reindex.ato_deployment(
        name="reindex",
        description=(
            "Builds an index for `RAG_EMBEDDING_MODEL` from the stored documents, then answers from it. Nothing is "
            "fetched, and questions are answered meanwhile.\n\n"
            "Run it after changing the model, or when the changelog says that chunks are cut in another way. "
            "`roll_back` goes back to the index before."
        ),
        tags=["index"],
        parameters={"roll_back": False},
        concurrency_limit=_ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def maintain_deployment() -> RunnerDeployment:
    """Return the deployment that clears away what nobody needs."""
    return await maintain.ato_deployment(
        name="maintain",
        description=(
            "Every Sunday: drops embeddings that were not used for long and indexes that were replaced long ago, and "
            "tidies the tables. Its table says what went."
        ),
        tags=["maintenance"],
        parameters={"cache_days": 180, "index_days": 30},
        schedules=[Cron(MAINTENANCE, timezone="UTC", slug="weekly")],
        concurrency_limit=_ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def watch_deployment() -> RunnerDeployment:
    """Return the deployment that tells of sources in trouble."""
    return await watch.ato_deployment(
        name="watch",
        description=(
            "Every hour: posts to `RAG_ALERT_WEBHOOK` which sources have failed several runs in a row or were last in "
            "line longer ago than their schedule allows. Once an incident. Its table shows how every source stands."
        ),
        tags=["maintenance"],
        schedules=[Cron(WATCH, timezone="UTC", slug="hourly")],
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
        parameters={"top_k": 8},
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


def prefect_yaml(deployed: Sequence[RunnerDeployment], *, pool: str = _POOL) -> str:
    """Return prefect.yaml for deployments; `prefect deploy --all` registers them as they are.

    :param pool: the work pool that their runs are given to, of type process
    """
    file = {
        # Workers have the checkout, at the place where it was deployed from; nothing is pulled.
        "pull": [],
        "deployments": [_deployment_entry(one, pool) for one in deployed],
    }
    body: str = yaml.dump(file, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return _HEAD.format(pool=pool) + body


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # PyYAML ships no types
    """Writes texts of several lines as they read."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _deployment_entry(deployed: RunnerDeployment, pool: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": deployed.name,
        "entrypoint": deployed.entrypoint,
        "description": deployed.description,
        "tags": deployed.tags,
        "parameters": dict(deployed.parameters or {}),
        "schedules": [_schedule_entry(schedule.model_dump()) for schedule in deployed.schedules or []],
        "work_pool": {"name": pool, "job_variables": {"working_dir": "{{ $PWD }}", "env": dict(_ENVIRONMENT)}},
    }
    if deployed.concurrency_limit is not None:
        assert deployed.concurrency_options
        strategy = deployed.concurrency_options.collision_strategy.value
        entry["concurrency_limit"] = {"limit": deployed.concurrency_limit, "collision_strategy": strategy}
    return entry


def _schedule_entry(schedule: Mapping[str, Any]) -> dict[str, Any]:
    entry = {
        "cron": schedule["schedule"]["cron"],
        "timezone": schedule["schedule"]["timezone"],
        "slug": schedule["slug"],
        "active": schedule["active"],
    }
    return {**entry, "parameters": schedule["parameters"]} if schedule["parameters"] else entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Write prefect.yaml."""
    parser = CommandParser(
        prog="python -m flows.deployments",
        description="Write prefect.yaml: the deployments that python -m flows.serve works on, for the workers of a "
        "Prefect work pool on any number of machines.",
        examples=["python -m flows.deployments", "python -m flows.deployments --pool big --output -"],
    )
    parser.add_argument("--pool", default=_POOL, metavar="NAME", help=f"the work pool, of type process ({_POOL})")
    parser.add_argument(
        "--output", default="prefect.yaml", metavar="FILE", help="where to write it; - prints it (prefect.yaml)"
    )
    return run(parser, _write, arguments)


def _write(options: argparse.Namespace) -> int:
    settings = load_settings()
    chosen_sources(settings, [])
    text = prefect_yaml(asyncio.run(deployments(settings.sources, settings.evaluation)), pool=options.pool)
    if options.output == "-":
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {options.output}; register them with: prefect deploy --all\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
