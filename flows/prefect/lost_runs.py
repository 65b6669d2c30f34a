"""Mark runs whose process was killed as Crashed; Prefect alone would show them as Running for ever.

Each run sends a heartbeat every 30 seconds, which `flows` configures. An automation on Prefect's server marks a run
without heartbeats as Crashed, so that the next run of its deployment may start, and another worker gets its batch.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

__all__ = ["SILENT_RUNS", "crash_silent_runs"]

#: The automation's name.
SILENT_RUNS = "support-engine: lost runs"
_FLOWS = [
    "ingest-source",
    "backfill",
    "backfill-windows",
    "embed-batch",
    "reindex",
    "maintain",
    "watch",
    "answer",
    "evaluate",
    "triage",
    "insights",
    "map",
]
# Six heartbeats: on a busy machine some are late.
_SILENCE = timedelta(seconds=180)
_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled", "Skipped")}


async def crash_silent_runs() -> None:
    """Create the automation that marks silent runs as Crashed, unless Prefect's server has it already."""
    trigger = EventTrigger(
        posture=Posture.Proactive,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": _FLOWS}),
        for_each={"prefect.resource.id"},
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *_ENDED},
        threshold=1,
        within=_SILENCE,
    )
    crash = ChangeFlowRunState(
        state=StateType.CRASHED, message=f"Its process has sent no heartbeat for {_SILENCE.seconds} s."
    )
    async with get_client() as client:
        for known in await client.read_automations_by_name(SILENT_RUNS):
            if isinstance(known.trigger, EventTrigger) and known.trigger.match_related == trigger.match_related:
                return
            await client.delete_automation(known.id)  # of another version, with other flows
    await Automation(
        name=SILENT_RUNS,
        description="Marks a run as Crashed if its process was killed or its machine is gone.",
        trigger=trigger,
        actions=[crash],
    ).acreate()
