"""Runs whose process was killed: Prefect does not notice by itself, and would call them Running for ever.

Each run says every half minute that it lives (`flows` sets that). An automation of Prefect's server marks the one that
has stopped saying so as Crashed, which gives its turn to the next run of its deployment, and its windows to another
worker.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

__all__ = ["LOST", "notice_lost_runs"]

#: The automation's name.
LOST = "support-engine: lost runs"
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
]
# Five signs of life may be late: on a busy machine some are.
_SILENCE = timedelta(seconds=180)
_ALIVE = "prefect.flow-run.heartbeat"
_ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled", "Skipped")}


async def notice_lost_runs() -> None:
    """Have Prefect's server mark lost runs, unless it does so already."""
    trigger = EventTrigger(
        posture=Posture.Proactive,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": _FLOWS}),
        for_each={"prefect.resource.id"},
        after={_ALIVE},
        expect={_ALIVE, *_ENDED},
        threshold=1,
        within=_SILENCE,
    )
    crash = ChangeFlowRunState(
        state=StateType.CRASHED, message=f"Its process has given no sign of life for {_SILENCE.seconds} s."
    )
    async with get_client() as client:
        for known in await client.read_automations_by_name(LOST):
            if isinstance(known.trigger, EventTrigger) and known.trigger.match_related == trigger.match_related:
                return
            await client.delete_automation(known.id)  # that of another version, which knows other flows
    await Automation(
        name=LOST,
        description="Marks runs as Crashed whose process was killed or whose machine is gone.",
        trigger=trigger,
        actions=[crash],
    ).acreate()
