"""The deployments of the checkout, and the work pool of its prefect.yaml."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.runner import Runner
from prefect.workers.process import ProcessWorker

from flows.deploy.deployments import deployments
from flows.prefect.server import ServerProcess
from rag.settings import Settings
from tests.processes import ROOT

#: The sources for which prefect.yaml was generated.
EXAMPLE = Settings(_env_file=None, RAG_SOURCES=ROOT / "sources.example.toml").sources
#: The deployments whose runs other flows start on workers.
_FOR_WORKERS = ("windows", "embed")

Definition = dict[str, Any]


@dataclass(frozen=True)
class Registered:
    """The definition of every deployment by name, as each way of registering them leaves it on the server."""

    by_runner: dict[str, Definition]
    by_prefect_deploy: dict[str, Definition]


def register_in_both_ways(server: ServerProcess) -> Registered:
    """Register the deployments by a runner, as `flows.serve` does, and then by `prefect deploy --all`.

    Those for workers stay registered in the work pool.
    """
    asyncio.run(_register_by_runner())
    by_runner = asyncio.run(_definitions())
    asyncio.run(_delete_all_but(()))
    asyncio.run(_create_work_pool())
    _prefect(server, "--no-prompt", "deploy", "--all")
    by_prefect_deploy = asyncio.run(_definitions())
    asyncio.run(_delete_all_but(_FOR_WORKERS))
    return Registered(by_runner, by_prefect_deploy)


async def _register_by_runner() -> None:
    runner = Runner(name="test")
    for deployment in await deployments(EXAMPLE):
        await runner.aadd_deployment(deployment)


async def _create_work_pool() -> None:
    """Do what `prefect work-pool create --type process support-engine` does, without a process that imports Prefect."""
    template = ProcessWorker.get_default_base_job_template()
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="support-engine", type="process", base_job_template=template))


async def _definitions() -> dict[str, Definition]:
    """Every deployment by name, without its work pool."""
    async with get_client() as client:
        found = await client.read_deployments()
        return {
            deployment.name: {
                "flow": (await client.read_flow(deployment.flow_id)).name,
                "entrypoint": deployment.entrypoint,
                "description": deployment.description,
                "tags": sorted(deployment.tags),
                "parameters": deployment.parameters,
                "schema": deployment.parameter_openapi_schema,
                "enforced": deployment.enforce_parameter_schema,
                "limit": deployment.global_concurrency_limit and deployment.global_concurrency_limit.limit,
                "collision": deployment.concurrency_options and deployment.concurrency_options.collision_strategy,
                "schedules": sorted(
                    (one.slug, one.schedule.cron, one.schedule.timezone, one.active, str(one.parameters))
                    for one in deployment.schedules
                ),
            }
            for deployment in found
        }


async def _delete_all_but(names: Container[str]) -> None:
    async with get_client() as client:
        for deployment in await client.read_deployments():
            if deployment.name not in names:
                await client.delete_deployment(deployment.id)


def _prefect(server: ServerProcess, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": server.api_url, "PWD": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
