"""`flows.serve` and prefect.yaml register the same deployments, which a maintainer can use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.deploy.deployments import deployments, main, prefect_yaml
from tests.flows.pool import EXAMPLE, Registered
from tests.processes import ROOT


def test_serve_and_prefect_deploy_register_the_same_deployments(registered: Registered) -> None:
    assert sorted(registered.by_runner) == sorted(registered.by_prefect_deploy)
    for name, definition in registered.by_runner.items():
        assert definition == registered.by_prefect_deploy[name]


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
