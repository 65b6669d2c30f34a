"""What a run shows in Prefect's UI: a name that tells the outcome, artifacts, and warnings."""

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
from rag.ingest.report import Failure, SyncReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = [
    "Outcome",
    "artifact_key",
    "capture_warnings",
    "link_failures",
    "live_artifact",
    "outcome_rows",
    "put_table",
    "rename_run",
]

Cell = str | int | float
Row = Mapping[str, Cell]

# An artifact update takes 20 ms; a shorter run shows only its outcome.
_SECONDS_BETWEEN_UPDATES = 5.0
# Further failed pages are listed in the table only.
_MOST_LINKS = 10
_MOST_WARNINGS = 20

_warnings: ContextVar[list[str] | None] = ContextVar("warnings", default=None)


def artifact_key(*words: str) -> str:
    """Join words to an artifact key, which may contain a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


async def rename_run(name: str) -> None:
    """Rename the current flow run."""
    run_id = runtime.flow_run.id
    if run_id:
        async with get_client() as client:
            await client.update_flow_run(UUID(run_id), name=name)


@contextmanager
def capture_warnings() -> Iterator[list[str]]:
    """Collect the warnings that `rag` logs in this context, its threads included, and log them to the run."""
    captured: list[str] = []
    token = _warnings.set(captured)
    logger = logging.getLogger("rag")
    if not any(isinstance(handler, _WarningHandler) for handler in logger.handlers):
        logger.addHandler(_WarningHandler(logging.WARNING))
    try:
        yield captured
    finally:
        _warnings.reset(token)


class _WarningHandler(logging.Handler):
    """Adds a warning to the run in whose context it was logged."""

    def emit(self, record: logging.LogRecord) -> None:
        captured, message = _warnings.get(), record.getMessage()
        if captured is None or len(captured) >= _MOST_WARNINGS or message in captured:
            return
        captured.append(message)
        with suppress(MissingContextError):
            get_run_logger().warning("%s", message)


async def put_table(rows: Sequence[Row], *, key: str, description: str, artifact: UUID | None = None) -> UUID:
    """Create a table artifact, or update an existing one; return its id.

    :param artifact: the id of the artifact to update
    """
    cells = [dict(row) for row in rows]
    if artifact is None:
        return await acreate_table_artifact(cells, key=key, description=description)
    async with get_client() as client:
        await client.update_artifact(artifact, ArtifactUpdate(data=json.dumps(cells), description=description))
    return artifact


async def link_failures(name: str, failures: Sequence[Failure]) -> None:
    """Create a link artifact for each page that could not be read."""
    addresses = [failure for failure in failures if failure.url.startswith(("http://", "https://"))]
    for position, failure in enumerate(addresses[:_MOST_LINKS], 1):
        await acreate_link_artifact(
            link=failure.url, key=artifact_key("failed", name, str(position)), description=failure.error
        )


@dataclass(slots=True)
class Outcome:
    """The artifacts of a sync: a table of its outcome, and a progress bar if the number of documents is known.

    :param expected: the number of documents that the sync will see, if known
    """

    name: str
    expected: int | None = None
    latest: SyncReport | None = None
    _table: UUID | None = None
    _progress: UUID | None = None
    _shown: float = field(default_factory=time.monotonic)

    async def show(self, report: SyncReport, rows: Sequence[Row], *, done: bool = True) -> None:
        """Create or update the table and the progress bar."""
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
            return  # the bar stays where the sync broke off
        else:
            await aupdate_progress_artifact(self._progress, share, description=description)


def outcome_rows(report: SyncReport, *, warnings: Sequence[str] = ()) -> list[Row]:
    """Return a report as the rows of a table artifact."""
    outcome = report.to_json()
    rows: list[Row] = [{"what": f"documents {word}", "outcome": count} for word, count in outcome["documents"].items()]
    rows += [{"what": f"chunks {word}", "outcome": count} for word, count in outcome["chunks"].items()]
    rows += [{"what": word, "outcome": outcome[word]} for word in ("embedded", "requests", "seconds")]
    rows += [{"what": "warning", "outcome": warning} for warning in warnings]
    return rows + [{"what": f"failed: {failure.url}", "outcome": failure.error} for failure in report.errors]


@asynccontextmanager
async def live_artifact(outcome: Outcome) -> AsyncIterator[None]:
    """Update the artifacts of a sync every few seconds during the block."""

    async def update() -> None:
        shown = None
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_UPDATES)
            if (report := outcome.latest) is not None and report is not shown:
                await outcome.show(report, outcome_rows(report), done=False)
                shown = report

    updating = asyncio.ensure_future(update())
    try:
        yield
    finally:
        updating.cancel()
        with suppress(asyncio.CancelledError):
            await updating
