"""The operators' pages of the desk: what people ask and what the docs lack, and the map of the index."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from rag.desk.map.page import BODY, asset
from rag.desk.markdown import bars
from rag.desk.report import Report
from rag.errors import ConfigurationError
from rag.service import Service
from rag.service.threads import Threads
from rag.text.urls import is_web_url
from rag.web.guard.access import requires
from rag.web.pages.brand import Brand
from rag.web.pages.templating import render

__all__ = ["desk_assets", "desk_routes"]

_DAYS = (7, 30, 90)
_PRIVATE = {"Cache-Control": "no-store"}
_NO_MAP = "There is no map yet; python -m rag.map draws one, and so does the deployment map."


def desk_routes(service: Service, threads: Threads, brand: Brand) -> APIRouter:
    """Return the routes of the desk: they quote what others have asked, so they are for operators only."""
    desk = _Desk(service, threads, brand)
    router = APIRouter(include_in_schema=False, dependencies=[Depends(requires("operate", public=False))])
    for path, handler in (("/insights", desk.insights), ("/map", desk.map), ("/map/data", desk.map_data)):
        router.add_api_route(path, handler, methods=["GET", "HEAD"], response_model=None)
    return router


def desk_assets() -> APIRouter:
    """Return the routes of the script and the style of the map, which tell nothing."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/static/map.js", _script, methods=["GET", "HEAD"], response_model=None)
    router.add_api_route("/static/map.css", _style, methods=["GET", "HEAD"], response_model=None)
    return router


async def _script() -> Response:
    return Response(asset("map.js"), media_type="text/javascript")


async def _style() -> Response:
    return Response(asset("map.css"), media_type="text/css")


class _Desk:
    def __init__(self, service: Service, threads: Threads, brand: Brand) -> None:
        self._service = service
        self._threads = threads
        self._brand = brand

    async def insights(self, request: Request) -> Response:
        """Show what was asked in the last days."""
        days = _number(request.query_params.get("days", "30"))
        report: Report = await self._threads.run(lambda: self._service.engine.insights.report(days=days))
        values = {
            "report": report,
            "sections": [("People", report.people), ("Agents", report.agents)],
            "spans": _DAYS,
            "bars": bars,
            "shown": _shown,
            "brand": self._brand,
        }
        return HTMLResponse(render("insights.html", values), headers=_PRIVATE)

    async def map(self) -> Response:
        """Show the map that was drawn last."""
        found = await self._threads.run(self._service.engine.maps.kept)
        values = {"made_at": found[0] if found else None, "body": BODY, "brand": self._brand}
        return HTMLResponse(render("map.html", values), headers=_PRIVATE)

    async def map_data(self) -> Response:
        """Return what the script of the map draws."""
        found = await self._threads.run(self._service.engine.maps.kept)
        if found is None:
            return JSONResponse({"error": _NO_MAP}, 404, _PRIVATE)
        return Response(found[1], media_type="application/json", headers=_PRIVATE)


def _shown(url: str) -> str:
    """Return the address of a page: this server shows the documents that are not on the web."""
    return url if is_web_url(url) else f"/document?{urlencode({'url': url})}"


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 5:
        raise ConfigurationError("days must be a whole number.")
    return int(text)
