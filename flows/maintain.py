"""Maintain the database, and send alerts for failing sources: two scheduled flows."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.engine import in_thread, shared_engine
from flows.prefect.endings import told
from flows.prefect.lost_runs import crash_silent_runs
from flows.prefect.retries import retrying_task
from flows.prefect.run_records import Row, put_table, rename_run
from flows.schedules import longest_ages
from rag.operate.operations import Maintenance
from rag.store.sources import Incident, SourceStatus

__all__ = ["check", "maintain", "tidy", "watch"]


@task(task_run_name="tidy", persist_result=False)
async def tidy(cache_days: int, index_days: int) -> Maintenance:
    """Drop unused embeddings and old indexes, and vacuum the tables."""

    def work() -> Maintenance:
        with shared_engine() as engine:
            return engine.operations.maintain(cache_days=cache_days, index_days=index_days)

    return await in_thread(work)


@flow(name="maintain", flow_run_name="maintain", persist_result=False)
@told
async def maintain(
    cache_days: Annotated[int, Field(ge=1)] = 180, index_days: Annotated[int, Field(ge=0)] = 30
) -> State[Any]:
    """Drop unused embeddings and old indexes, and vacuum the tables.

    The table artifact lists what was dropped. Questions are answered and sources are synced meanwhile. Prefect's server
    clears its own runs and logs.

    Args:
        cache_days: Cached embeddings that no sync has used for this number of days are dropped. The index keeps its
            vectors; only text that comes back later is embedded again.
        index_days: An index is dropped this number of days after it was replaced; until then it can be rolled back to.

    """
    done = await tidy(cache_days, index_days)
    freed = (done.bytes_before - done.bytes_after) / 1e6
    await put_table(
        [
            {"what": "embeddings dropped from the cache", "outcome": done.embeddings},
            {"what": "indexes dropped", "outcome": ", ".join(done.indexes) or "none"},
            {"what": "MB before", "outcome": round(done.bytes_before / 1e6, 1)},
            {"what": "MB after", "outcome": round(done.bytes_after / 1e6, 1)},
        ],
        key="maintain",
        description=f"{done.embeddings:,} embeddings and {len(done.indexes)} indexes dropped",
    )
    await rename_run(f"maintain · {freed:,.1f} MB freed")
    return Completed(message=f"{done.embeddings:,} embeddings and {len(done.indexes)} indexes dropped.", data=done)


@retrying_task("check the sources")
async def check() -> tuple[list[SourceStatus], list[Incident]]:
    """Send the alerts that are due, and return the state of the sources."""

    def work() -> tuple[list[SourceStatus], list[Incident]]:
        with shared_engine() as engine:
            alerted = engine.operations.send_alerts(longest_ages(engine.settings.sources))
            return engine.operations.sources(), alerted

    return await in_thread(work)


@flow(name="watch", flow_run_name="watch", persist_result=False)
@told
async def watch() -> State[Any]:
    """Send alerts for failing sources to RAG_ALERT_WEBHOOK.

    A source is failing if RAG_ALERT_FAILURES runs in a row have failed, or if its last success is older than three
    intervals of its schedule. Each incident is alerted once; the next success ends it. The table artifact shows the
    state of every source.
    """
    sources, alerted = await check()
    await crash_silent_runs()
    await put_table([_source_row(status) for status in sources], key="sources", description="The state of every source")
    names = ", ".join(incident.name for incident in alerted)
    await rename_run(f"watch · alerted for {names}" if alerted else "watch · no new alerts")
    return Completed(message=f"Alerted for {names}." if alerted else "No new alerts.", data=alerted)


def _source_row(status: SourceStatus) -> Row:
    return {
        "source": status.name,
        "documents": status.documents,
        "last success": f"{status.last_success:%Y-%m-%d %H:%M} UTC" if status.last_success else "never",
        "failed runs since": status.failures,
        "alerted": "yes" if status.alerted else "no",
        "last error": status.last_error or "",
    }
