"""The flow that draws the map."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from flows.deploy.deployments import deployments
from flows.map import draw_map
from flows.prefect.server import ServerProcess
from rag.engine import Engine
from tests.flows.prefect_records import artifact
from tests.servers.memory_source import MemorySource, page

pytestmark = pytest.mark.usefixtures("quick_embedding")


def test_the_picture_is_the_artifact_of_a_run_and_the_map_is_kept(
    prefect_server: ServerProcess, settings_in_environment: Path
) -> None:
    with Engine.open() as engine:
        engine.syncs.ingest(MemorySource([page(f"page{n}", f"This is page {n}.") for n in range(5)]))

    state = asyncio.run(draw_map("pca", return_state=True))

    assert state.is_completed()
    assert state.message == "5 documents."
    assert str(artifact("map").data).startswith("data:image/png;base64,")
    with Engine.open() as engine:
        assert engine.maps.kept()


def test_the_map_is_drawn_every_week() -> None:
    deployed = {one.name: one for one in asyncio.run(deployments([]))}
    assert [schedule.schedule.cron for schedule in deployed["map"].schedules] == ["0 7 * * MON"]
