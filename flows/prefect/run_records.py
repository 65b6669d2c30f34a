"""What a run leaves in Prefect's UI: a name that says what happened, artifacts, and the warnings of the work."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from prefect import get_run_logger, runtime
from prefect.artifacts import (
    acreate_link_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.exceptions import MissingContextError

from flows.progress import so_far, summary
from rag.models import Failure, SyncReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = [
    "Outcome",
    "artifact_key",
    "followed",
    "hear_warnings",
    "link_failures",
    "name_run",
    "outcome_rows",
    "put_table",
]

Cell = str | int | float
Row = Mapping[str, Cell]

# A write to an artifact costs 20 ms; a run that is shorter than this leaves only its outcome.
_SECONDS_BETWEEN_UPDATES = 5.0
# More failed pages than these are in the table only.
_MOST_LINKS = 10
_MOST_WARNINGS = 20

_warnings: ContextVar[list[str] | None] = ContextVar("warnings", default=None)


def artifact_key(*words: str) -> str:
    """Make a key of words; Prefect's hold a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


async def name_run(name: str) -> None:
    """Call the flow run that is under way something else."""
    run_id = runtime.flow_run.id
    if run_id:
        async with get_client() as client:
            await client.update_flow_run(UUID(run_id), name=name)


@contextmanager
def hear_warnings() -> Iterator[list[str]]:
    """Gather what `rag` warns of in this context, threads included, and log it to the run."""
    heard: list[str] = []
    token = _warnings.set(heard)
    logger = logging.getLogger("rag")
    if not any(isinstance(handler, _WarningHandler) for handler in logger.handlers):
        logger.addHandler(_WarningHandler(logging.WARNING))
    try:
        yield heard
    finally:
        _warnings.reset(token)


class _WarningHandler(logging.Handler):
    """Gives a warning to the run in whose context it arose."""

    def emit(self, record: logging.LogRecord) -> None:
        heard, said = _warnings.get(), record.getMessage()
        if heard is None or len(heard) >= _MOST_WARNINGS or said in heard:
            return
        heard.append(said)
        with suppress(MissingContextError):
            get_run_logger().warning("%s", said)


async def put_table(rows: Sequence[Row], *, key: str, description: str, artifact: UUID | None = None) -> UUID:
    """Write a table artifact, or write one anew; return its id."""
    cells = [dict(row) for row in rows]
    if artifact is None:
        return await acreate_table_artifact(cells, key=key, description=description)
    async with get_client() as client:
        await client.update_artifact(artifact, ArtifactUpdate(data=json.dumps(cells), description=description))
    return artifact


async def link_failures(name: str, failures: Sequence[Failure]) -> None:
    """Leave a link to each page that could not be read."""
    addresses = [failure for failure in failures if failure.url.startswith(("http://", "https://"))]
    for position, failure in enumerate(addresses[:_MOST_LINKS], 1):
        await acreate_link_artifact(
            link=failure.url, key=artifact_key("failed", name, str(position)), description=failure.error
        )


@dataclass(slots=True)
class Outcome:
    """The artifacts of a sync: a table of its outcome, and how far it is where that can be told.

    :param expected: how many documents it will see, if that is known
    """

    name: str
    expected: int | None = None
    latest: SyncReport | None = None
    _table: UUID | None = None
    _progress: UUID | None = None
    _shown: float = field(default_factory=time.monotonic)

    async def show(self, report: SyncReport, rows: Sequence[Row], *, done: bool = True) -> None:
        """Write the table, and how far the sync is."""
        said = summary(report) if done else f"so far: {so_far(report)}"
        description = f"**{self.name}**: {said}"
        self._table = await put_table(
            rows, key=artifact_key("ingest", self.name), description=description, artifact=self._table
        )
        if self._progress is None and (done or not self.expected):
            return
        share = 100.0 if done else min(99.0, 100.0 * report.seen / (self.expected or 1))
        if self._progress is None:
            key = artifact_key("progress", self.name)
            self._progress = await acreate_progress_artifact(share, key=key, description=description)
        elif done and report.state == "failed":
            return  # it stands where the sync broke off
        else:
            await aupdate_progress_artifact(self._progress, share, description=description)


def outcome_rows(report: SyncReport, *, cost: float | None = None, warnings: Sequence[str] = ()) -> list[Row]:
    """Return a report as the rows of a table artifact.

    :param cost: what the embeddings cost, in dollars, where a provider's price is known
    """
    outcome = report.to_json()
    rows: list[Row] = [{"what": f"documents {word}", "outcome": count} for word, count in outcome["documents"].items()]
    rows += [{"what": f"chunks {word}", "outcome": count} for word, count in outcome["chunks"].items()]
    rows += [{"what": word, "outcome": outcome[word]} for word in ("embedded", "requests", "seconds")]
    if cost is not None:
        rows.append({"what": "cost in USD, estimated", "outcome": round(cost, 6)})
    rows += [{"what": "warning", "outcome": said} for said in warnings]
    return rows + [{"what": f"failed: {failure.url}", "outcome": failure.error} for failure in report.errors]


@asynccontextmanager
async def followed(outcome: Outcome) -> AsyncIterator[None]:
    """Keep the artifacts of a sync that lasts up to date while the block runs."""

    async def follow() -> None:
        shown = None
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_UPDATES)
            if (report := outcome.latest) is not None and report is not shown:
                await outcome.show(report, outcome_rows(report), done=False)
                shown = report

    following = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
