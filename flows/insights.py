"""Report what people ask and what the docs lack, every week, as an artifact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.engine import in_thread, shared_engine
from flows.prefect.endings import told
from flows.prefect.run_records import rename_run
from rag.desk.markdown import insights_markdown
from rag.desk.report import Report

__all__ = ["delete_old_artifacts", "insights", "read_log"]

_KEY = "insights"
_PAGE = 200


@task(task_run_name="read the answer log", persist_result=False)
async def read_log(days: int, most: int) -> Report:
    """Group the questions of the last days and find what the docs lack."""

    def work() -> Report:
        with shared_engine() as engine:
            return engine.insights.report(days=days, most=most)

    return await in_thread(work)


@flow(name="insights", flow_run_name="insights", persist_result=False)
@told
async def insights(
    days: Annotated[int, Field(ge=1, le=3650)] = 30, most: Annotated[int, Field(ge=1, le=200)] = 20
) -> State[Any]:
    """Report what people and agents ask, what the docs lack, which pages are cited, and which answers are stale.

    The markdown artifact of the run has the report, with a draft for each gap. Reports that are older than
    RAG_LOG_DAYS are deleted, since they quote questions.

    Args:
        days: The report covers the questions of the last days.
        most: The number of topics and gaps that are listed.

    """
    report = await read_log(days, most)
    questions = report.people.questions + report.agents.questions
    gaps = report.people.all_gaps + report.agents.all_gaps
    said = f"{questions:,} questions, {gaps:,} gaps"
    await acreate_markdown_artifact(insights_markdown(report), key=_KEY, description=f"{said} in {days} days")
    await delete_old_artifacts(_KEY)
    await rename_run(f"insights · {said}")
    return Completed(message=f"{said}.", data=report)


async def delete_old_artifacts(key: str) -> None:
    """Delete the artifacts of a key whose questions the answer log no longer keeps."""
    with shared_engine() as engine:
        oldest = datetime.now(UTC) - timedelta(days=engine.settings.log_days)
    async with get_client() as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        for artifact in await client.read_artifacts(artifact_filter=wanted, limit=_PAGE):
            if artifact.created and artifact.created < oldest:
                await client.delete_artifact(artifact.id)
