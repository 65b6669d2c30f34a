"""`flows.serve` and prefect.yaml register the same deployments, which a maintainer can use."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.runner import Runner

from flows.deploy.deployments import deployments, main, prefect_yaml
from flows.prefect.server import ServerProcess
from rag.settings import Settings
from tests.processes import ROOT

EXAMPLE = Settings(_env_file=None, RAG_SOURCES=ROOT / "sources.example.toml").sources


def registered() -> dict[str, dict[str, Any]]:
    """The definition of every deployment by name, without its work pool."""

    async def read() -> dict[str, dict[str, Any]]:
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

    return asyncio.run(read())


def in_pool() -> set[str]:
    """The names of the deployments that belong to a work pool."""

    async def read() -> set[str]:
        async with get_client() as client:
            return {deployment.name for deployment in await client.read_deployments() if deployment.work_pool_name}

    return asyncio.run(read())


def clear() -> None:
    """Delete every deployment."""

    async def delete() -> None:
        async with get_client() as client:
            for deployment in await client.read_deployments():
                await client.delete_deployment(deployment.id)

    asyncio.run(delete())


def prefect(server: ServerProcess, *arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=cwd,
        env={**os.environ, "PREFECT_API_URL": server.api_url, "PWD": str(cwd)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def by_prefect_deploy(prefect_server: ServerProcess) -> dict[str, dict[str, Any]]:
    """The deployments that `prefect deploy --all` registers from the prefect.yaml of the checkout."""
    clear()
    prefect(prefect_server, "work-pool", "create", "--type", "process", "--overwrite", "support-engine")
    prefect(prefect_server, "--no-prompt", "deploy", "--all")
    found = registered()
    clear()
    return found


def test_serve_and_prefect_deploy_register_the_same_deployments(
    prefect_server: ServerProcess, by_prefect_deploy: dict[str, dict[str, Any]]
) -> None:
    async def serve() -> None:
        runner = Runner(name="test")
        for deployment in await deployments(EXAMPLE):
            await runner.aadd_deployment(deployment)

    asyncio.run(serve())
    served = registered()
    clear()

    assert sorted(served) == sorted(by_prefect_deploy)
    for name, deployment in served.items():
        assert deployment == by_prefect_deploy[name]


def test_the_prefect_yaml_in_the_checkout_is_up_to_date() -> None:
    assert (ROOT / "prefect.yaml").read_text() == prefect_yaml(asyncio.run(deployments(EXAMPLE)))


def test_every_parameter_in_prefect_s_forms_has_a_description() -> None:
    for deployment in asyncio.run(deployments(EXAMPLE)):
        assert len(deployment.description or "") > 60, deployment.name
        assert deployment.tags, deployment.name
        for name, parameter in deployment._parameter_openapi_schema.properties.items():
            where = f"{deployment.name}: {name}"
            assert len(parameter["description"]) > 15, where
            assert "type" in parameter or "anyOf" in parameter or "$ref" in parameter or "enum" in parameter, where
            has_default = "default" in parameter or name in (deployment.parameters or {})
            assert has_default or name in ("question", "name", "windows", "backfill_id", "batch", "texts"), where


def test_two_runs_of_one_source_never_overlap() -> None:
    for deployment in asyncio.run(deployments(EXAMPLE)):
        if deployment.name not in ("answer", "windows", "embed"):
            assert deployment.concurrency_limit == 1, deployment.name
            assert deployment.concurrency_options.collision_strategy == "ENQUEUE"


def test_the_command_writes_prefect_yaml_for_the_configured_sources(
    sources: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources(mine="example/engine")

    assert main(["--pool", "big", "--output", str(tmp_path / "prefect.yaml")]) == 0

    written = (tmp_path / "prefect.yaml").read_text()
    assert "- name: ingest mine\n" in written
    assert "prefect work-pool create --type process big\n" in written
    assert "name: support-engine" not in written
    assert capsys.readouterr().err.endswith("prefect deploy --all\n")
