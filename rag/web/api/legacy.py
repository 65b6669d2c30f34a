"""The endpoints that came before /api/v1: /api/ask, /api/ask/stream and /api/search, with a query string each."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from rag.errors import ConfigurationError
from rag.service import Service
from rag.service.asking import Request
from rag.service.service import checked_question
from rag.service.threads import Threads
from rag.store.filters import Filters
from rag.web.api.streams import answer_events, streamed
from rag.web.guard.access import requires

__all__ = ["legacy_routes"]

_MOST_RESULTS = 100


def legacy_routes(service: Service, threads: Threads) -> APIRouter:
    """Return the routes below /api."""
    api = _Legacy(service, threads)
    router = APIRouter(prefix="/api", include_in_schema=False)
    for path, handler, guard in (
        ("/ask", api.ask, requires("ask")),
        ("/ask/stream", api.ask_stream, requires("ask")),
        ("/search", api.search, requires("search")),
    ):
        router.add_api_route(path, handler, response_model=None, dependencies=[Depends(guard)])
    return router


class _Legacy:
    def __init__(self, service: Service, threads: Threads) -> None:
        self._service = service
        self._threads = threads

    async def ask(self, request: HttpRequest) -> Response:
        """Return an answer, as `rag.ask --json` does."""
        reply = await self._threads.run(self._service.answer, await self._question(request))
        return JSONResponse({**reply.to_json(), "id": reply.answer.id})

    async def ask_stream(self, request: HttpRequest) -> Response:
        """Answer as server-sent events: one "text" for each paragraph, then "answer" or "error"."""
        question = await self._question(request)
        return await streamed(self._threads.each(self._service.ask_stream(question)), answer_events)

    async def search(self, request: HttpRequest) -> Response:
        """Return search results, as `rag.ask --search-only --json` does."""
        question, filters, top_k = _parameters(request, default=10)
        found = await self._threads.run(self._service.search, question, filters=filters, limit=top_k)
        return JSONResponse({name: found[name] for name in ("question", "results", "timings")})

    async def _question(self, request: HttpRequest) -> Request:
        question, filters, top_k = _parameters(request, default=8)
        given = request.query_params
        return await self._threads.run(
            self._service.request, question, filters, top_k, given.get("thread"), given.get("after")
        )


def _parameters(request: HttpRequest, *, default: int) -> tuple[str, Filters, int]:
    given = request.query_params
    question = checked_question(given.get("q", ""))
    number = given.get("top_k", str(default))
    top_k = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 0
    if not 1 <= top_k <= _MOST_RESULTS:
        raise ConfigurationError(f"top_k must be a number from 1 to {_MOST_RESULTS}.")
    return question, Filters.of(given), top_k
