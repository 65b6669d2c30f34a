"""The flow that reports what people ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from flows.deploy.deployments import deployments
from flows.insights import insights
from flows.prefect.server import ServerProcess
from rag.store.answers import AnswerRow
from rag.store.index_info import IndexInfo
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import artifact, flow_run

pytestmark = pytest.mark.usefixtures("quick_embedding")


def test_the_report_is_the_artifact_of_a_run(
    prefect_server: ServerProcess, settings_in_environment: Path, database: Database
) -> None:
    store = Store(database)
    index = IndexInfo("small", "openai/quick", 16, "1")
    store.indexes.create(index)
    name = "00000000-0000-4000-8000-000000000001"
    row = AnswerRow(
        name, "Which port?", False, "The sources do not answer this.", [], "openai/quick", "extractive", {"total": 0.1},
        None, None, None, 0.1, None, [], name, "person",
    )  # fmt: skip
    with store.transaction() as transaction:
        transaction.answers.log(index, row, source=None, asked=b"port", keep_days=90)

    state = asyncio.run(insights(return_state=True))

    assert state.is_completed()
    assert state.message == "1 questions, 1 gaps."
    assert flow_run(state.state_details.flow_run_id).name == "insights · 1 questions, 1 gaps"
    assert "Which port?" in str(artifact("insights").data)


def test_the_report_is_made_every_week() -> None:
    deployed = {one.name: one for one in asyncio.run(deployments([]))}
    assert [schedule.schedule.cron for schedule in deployed["insights"].schedules] == ["0 7 * * MON"]
