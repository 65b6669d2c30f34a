"""Keep the database small and its statistics right, and tell of sources in trouble: two flows for schedules."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.engine import in_thread, shared_engine
from flows.prefect.lost_runs import notice_lost_runs
from flows.prefect.run_records import Row, name_run, put_table
from flows.schedules import longest_ages
from rag.models import Maintenance, SourceStatus, Trouble

__all__ = ["maintain", "tidy", "watch"]


@task(task_run_name="tidy", persist_result=False)
async def tidy(cache_days: int, index_days: int) -> Maintenance:
    """Drop what nobody has needed for long, and tidy the tables."""

    def work() -> Maintenance:
        with shared_engine() as engine:
            return engine.maintain(cache_days=cache_days, index_days=index_days)

    return await in_thread(work)


@flow(name="maintain", flow_run_name="maintain", persist_result=False)
async def maintain(
    cache_days: Annotated[int, Field(ge=1)] = 180, index_days: Annotated[int, Field(ge=0)] = 30
) -> State[Any]:
    """Drop what nobody has needed for long, and tidy the tables.

    The table artifact says what went. Questions are answered and sources synced meanwhile. Prefect's own records, runs
    and logs, are cleared by its server.

    Args:
        cache_days: Embeddings that no sync has used for so many days are dropped from the cache. The index keeps its
            own; only text that comes back after that time is embedded anew.
        index_days: An index that was replaced so many days ago is dropped; until then it can be rolled back to.

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
    await name_run(f"maintain · {freed:,.1f} MB freed")
    return Completed(message=f"{done.embeddings:,} embeddings and {len(done.indexes)} indexes dropped.", data=done)


@flow(name="watch", flow_run_name="watch", retries=2, retry_delay_seconds=30, persist_result=False)
async def watch() -> State[Any]:
    """Tell the webhook of RAG_ALERT_WEBHOOK which sources are in trouble.

    That is a source that has failed RAG_ALERT_FAILURES runs in a row, or whose last success is longer ago than three
    of its schedule's turns. An incident is told of once; the next success ends it. The table artifact shows how every
    source stands.
    """

    def look() -> tuple[list[SourceStatus], list[Trouble]]:
        with shared_engine() as engine:
            told = engine.tell_of_trouble(longest_ages(engine.settings.sources))
            return engine.store.source_status(), told

    sources, told = await in_thread(look)
    await notice_lost_runs()
    await put_table([_source_row(status) for status in sources], key="sources", description="How every source stands")
    names = ", ".join(trouble.name for trouble in told)
    await name_run(f"watch · told of {names}" if told else "watch · nothing new")
    return Completed(message=f"Told of {names}." if told else "There is nothing new to tell.", data=told)


def _source_row(status: SourceStatus) -> Row:
    return {
        "source": status.name,
        "documents": status.documents,
        "last success": f"{status.last_success:%Y-%m-%d %H:%M} UTC" if status.last_success else "never",
        "failed runs since": status.failures,
        "told of": "yes" if status.alerted else "no",
        "last error": status.last_error or "",
    }
