"""Draw the map of the index every week: for the web page, and as an artifact."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from prefect import flow, task
from prefect.artifacts import acreate_image_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.engine import in_thread, shared_engine
from flows.insights import delete_old_artifacts
from flows.prefect.endings import told
from flows.prefect.run_records import rename_run
from rag.desk.map.drawing import Drawing
from rag.desk.map.page import map_json
from rag.desk.map.png import map_png

__all__ = ["draw", "draw_map"]

Wanted = Literal["best", "umap", "tsne", "pca"]
_KEY = "map"


@task(task_run_name="draw {method}", persist_result=False)
async def draw(method: Wanted, days: int) -> Drawing:
    """Lay out the documents and the questions, and keep the map for the web page."""

    def work() -> Drawing:
        with shared_engine() as engine:
            maps = engine.maps
            drawing = maps.draw([maps.best_method if method == "best" else method], days=days)
            maps.keep(map_json(drawing).encode())
            return drawing

    return await in_thread(work)


@flow(name="map", flow_run_name="map", persist_result=False)
@told
async def draw_map(method: Wanted = "best", days: Annotated[int, Field(ge=1, le=3650)] = 30) -> State[Any]:
    """Draw what the index knows, with the questions of the last days laid over it.

    The image artifact of the run is the map; rag.web shows it at /map. Maps that are older than RAG_LOG_DAYS are
    deleted, since questions can be read in them.

    Args:
        method: The layout; `best` is UMAP if it is installed.
        days: The map shows the questions of the last days.

    """
    drawing = await draw(method, days)
    picture = base64.b64encode(map_png(drawing, "What the sources know")).decode()
    await acreate_image_artifact(f"data:image/png;base64,{picture}", key=_KEY, description=drawing.summary)
    await delete_old_artifacts(_KEY)
    await rename_run(f"map · {drawing.summary}")
    return Completed(message=f"{drawing.summary}.")
