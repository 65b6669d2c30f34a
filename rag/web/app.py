"""The ASGI application: the page, the HTTP API, the OpenAI-compatible API and the MCP server, behind shared checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from rag import __version__
from rag.engine import Engine
from rag.net.hosts import is_loopback
from rag.operate.api_keys import ApiKey
from rag.service import Service
from rag.service.threads import Threads
from rag.web.api.chat import chat_routes
from rag.web.api.legacy import legacy_routes
from rag.web.api.schema import describe
from rag.web.api.v1 import api_routes
from rag.web.guard.access import Access, Policy, requires
from rag.web.guard.hosts import Hosts
from rag.web.guard.limits import MOST_REQUESTS, Limits
from rag.web.guard.rates import Rates
from rag.web.guard.requests import Named
from rag.web.mcp import McpEndpoint
from rag.web.metrics import CONTENT_TYPE_LATEST, Counted, Metrics
from rag.web.pages.brand import brand_of
from rag.web.pages.desk import desk_assets, desk_routes
from rag.web.pages.page import page_routes
from rag.web.replies import answer_errors, headers_of

__all__ = ["create_app"]

_STATIC = Path(__file__).parent / "pages" / "static"
_METHODS = ("GET", "POST", "DELETE")
_ACCEPTED = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "Mcp-Session-Id", "Mcp-Protocol-Version")
_EXPOSED = ("X-Request-ID", "Retry-After", "Mcp-Session-Id")


def create_app(engine: Engine, *, host: str = "127.0.0.1", most_requests: int = MOST_REQUESTS) -> FastAPI:
    """Return the application; the caller closes the engine.

    :param host: the address that the server listens on; only on a loopback address is everything open without a key
    :param most_requests: how many requests are worked on at once
    """
    service, threads, metrics = Service(engine), Threads(), Metrics(engine.operations)
    mcp = McpEndpoint(service)
    app = FastAPI(
        title="Support Engine",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(mcp),
        middleware=[
            *_checks(engine, threads, metrics, host),
            Middleware(Limits, most=most_requests, exempt=("/static/", "/healthz", "/metrics")),
        ],
    )
    app.state.brand = brand_of(engine.settings)
    for router in (
        page_routes(service, threads, app.state.brand),
        api_routes(service, threads),
        chat_routes(service, threads),
        legacy_routes(service, threads),
        desk_routes(service, threads, app.state.brand),
        desk_assets(),
        _monitoring(engine, threads, metrics),
    ):
        app.include_router(router)
    app.routes.append(Route("/mcp", mcp, include_in_schema=False))
    app.mount("/static", StaticFiles(directory=_STATIC))
    answer_errors(app)
    describe(app)
    return app


def _lifespan(mcp: McpEndpoint) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with mcp.running():
            yield

    return lifespan


def _checks(engine: Engine, threads: Threads, metrics: Metrics, host: str) -> list[Middleware]:
    """Return the checks that every request passes first, in order."""
    settings = engine.settings

    async def find_key(secret: str) -> ApiKey | None:
        return await threads.run(engine.api_keys.find, secret)

    policy = Policy(is_loopback(host), settings.web_public, frozenset(settings.web_origins))
    return [
        Middleware(Named),
        Middleware(Hosts, names=settings.web_hosts),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.web_origins,
            allow_methods=_METHODS,
            allow_headers=_ACCEPTED,
            expose_headers=_EXPOSED,
        ),
        Middleware(Counted, metrics=metrics),
        Middleware(Access, policy=policy, find_key=find_key, rates=Rates(settings.web_rate)),
    ]


def _monitoring(engine: Engine, threads: Threads, metrics: Metrics) -> APIRouter:
    """Return the health check, for everybody, and the metrics, for operators."""
    router = APIRouter(include_in_schema=False)

    async def health() -> Response:
        """Return whether the database answers."""
        try:
            await threads.run(engine.operations.check_database)
        except Exception as error:  # noqa: BLE001 - every error means "failing" to a monitor
            return JSONResponse({"status": "failing", "error": type(error).__name__}, 503, headers_of(503))
        return JSONResponse({"status": "ok"})

    async def scrape() -> Response:
        """Return the metrics for Prometheus."""
        return Response(await threads.run(metrics.text), media_type=CONTENT_TYPE_LATEST)

    methods = ["GET", "HEAD"]
    may_operate = Depends(requires("operate"))
    router.add_api_route("/healthz", health, methods=methods, response_model=None)
    router.add_api_route("/metrics", scrape, methods=methods, response_model=None, dependencies=[may_operate])
    return router
