"""The ASGI application: one page that works without JavaScript, two JSON endpoints and a health check."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.answer.answer import Answer, Turn
from rag.engine import Engine
from rag.errors import ConfigurationError, RagError
from rag.operate.answer_log import LoggedAnswer
from rag.search.results import search_json
from rag.store.filters import Filters
from rag.web.feedback import feedback_routes
from rag.web.markup import is_web_url, render_answer
from rag.web.metrics import CONTENT_TYPE_LATEST, Counted, Metrics

__all__ = ["create_app"]

_FOLDER = Path(__file__).parent
#: In characters: enough for an error message, not for a log file.
_LONGEST_QUESTION = 2000
_MOST_RESULTS = 100
# Everything is loaded from this server, scripts are forbidden, and the page cannot be framed.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_templates = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.tests["web_url"] = is_web_url


def create_app(engine: Engine) -> Starlette:
    """Return the application; the caller closes the engine."""
    return _App(engine).application


class _App:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._metrics = Metrics(engine.operations)
        self.application = Starlette(
            routes=[
                Route("/", self.page),
                *feedback_routes(engine, self.show),
                Route("/api/ask", self.ask),
                Route("/api/ask/stream", self.ask_stream),
                Route("/api/search", self.search),
                Route("/healthz", self.health),
                Route("/metrics", self.metrics),
                Mount("/static", StaticFiles(directory=_FOLDER / "static")),
            ],
            middleware=[
                Middleware(_Headers),
                Middleware(Counted, metrics=self._metrics, paths=("/", "/api/ask", "/api/search")),
            ],
            exception_handlers={404: _not_found},
        )

    async def page(self, request: Request) -> Response:
        """Show the question box and, if there is a question, its answer."""
        question = request.query_params.get("q", "").strip()
        source = request.query_params.get("source") or None
        after = request.query_params.get("after")
        try:
            _check(question)
            answer = (
                await run_in_threadpool(self._answer, question, Filters(source=source), after) if question else None
            )
        except RagError as error:
            return await self.show(question, source, error=str(error), status=_status(error))
        return await self.show(question, source, answer=answer)

    async def show(
        self,
        question: str,
        source: str | None,
        *,
        answer: Answer | None = None,
        logged: LoggedAnswer | None = None,
        error: str | None = None,
        status: int = 200,
    ) -> Response:
        """Show the question box, with an answer or an error below it.

        :param logged: the log entry of `answer`, if it was read from the log
        """
        known = await run_in_threadpool(self._engine.operations.sources)
        values: dict[str, Any] = {
            "question": question,
            "chosen": source,
            "sources": [status.name for status in known],
            "documents": sum(status.documents for status in known),
            "longest": _LONGEST_QUESTION,
            "answer": answer,
            "logged": logged,
            "html": render_answer(answer) if answer else "",
            "error": error,
        }
        return HTMLResponse(_templates.get_template("page.html").render(values), status)

    async def ask(self, request: Request) -> Response:
        """Return an answer, as `rag.ask --json` does."""
        return await _json(self._ask, request)

    def _ask(self, request: Request) -> dict[str, object]:
        question, filters, top_k = _parameters(request, default=8)
        return _answer_json(self._answer(question, filters, request.query_params.get("after"), top_k))

    def _answer(self, question: str, filters: Filters, after: str | None, top_k: int = 8) -> Answer:
        return self._engine.ask(question, filters=filters, top_k=top_k, history=self._history(after))

    def _history(self, after: str | None) -> list[Turn]:
        """Return the logged answer with the id `after` as the history of a follow-up."""
        if not after:
            return []
        logged = self._engine.answer_log.find(_uuid(after))
        if logged is None:
            raise ConfigurationError("The previous answer was not logged or has expired.")
        return [Turn(logged.answer.question, logged.answer.answer if logged.answer.answered else "")]

    async def ask_stream(self, request: Request) -> Response:
        """Answer as server-sent events: one "text" for each paragraph, then "answer" or "error"."""
        try:
            question, filters, top_k = _parameters(request, default=8)
            history = await run_in_threadpool(self._history, request.query_params.get("after"))
        except RagError as error:
            return JSONResponse({"error": str(error)}, _status(error))
        pieces = self._engine.questions.ask_stream(question, filters=filters, top_k=top_k, history=history)
        return StreamingResponse(_events(pieces), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def search(self, request: Request) -> Response:
        """Return search results, as `rag.ask --search-only --json` does."""
        return await _json(self._search, request)

    def _search(self, request: Request) -> dict[str, object]:
        question, filters, top_k = _parameters(request, default=10)
        started = time.perf_counter()
        results = self._engine.search(question, filters=filters, top_k=top_k)
        return search_json(question, results, round(time.perf_counter() - started, 4))

    async def health(self, _request: Request) -> Response:
        """Return whether the database answers."""
        try:
            await run_in_threadpool(self._engine.operations.check_database)
        except Exception as error:  # noqa: BLE001 - every error means "failing" to a monitor
            return JSONResponse({"status": "failing", "error": type(error).__name__}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        """Return the metrics for Prometheus."""
        return Response(await run_in_threadpool(self._metrics.text), media_type=CONTENT_TYPE_LATEST)


def _answer_json(answer: Answer) -> dict[str, object]:
    """Return an answer with its id for follow-ups and feedback; null if it is not logged."""
    return {**answer.to_json(), "id": answer.id}


def _events(pieces: Iterator[str | Answer]) -> Iterator[str]:
    try:
        for piece in pieces:
            if isinstance(piece, Answer):
                yield _event("answer", _answer_json(piece))
            else:
                yield _event("text", {"text": piece})
    except RagError as error:
        yield _event("error", {"error": str(error)})


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConfigurationError("after must be the id of an answer.") from None


async def _json(handler: Callable[[Request], dict[str, object]], request: Request) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(handler, request))
    except RagError as error:
        return JSONResponse({"error": str(error)}, _status(error))


def _parameters(request: Request, *, default: int) -> tuple[str, Filters, int]:
    question = request.query_params.get("q", "")
    _check(question)
    given = request.query_params.get("top_k", str(default))
    top_k = int(given) if given.isdecimal() and len(given) < 6 else 0
    if not 1 <= top_k <= _MOST_RESULTS:
        raise ConfigurationError(f"top_k must be a number from 1 to {_MOST_RESULTS}.")
    names = ("source", "kind", "label", "state")
    source, kind, label, state = (request.query_params.get(name) or None for name in names)
    return question, Filters(source, kind, label, state, _date(request, "since"), _date(request, "until")), top_k


def _date(request: Request, name: str) -> date | None:
    given = request.query_params.get(name)
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        raise ConfigurationError(f"{name} must be a date (YYYY-MM-DD).") from None


def _check(question: str) -> None:
    if len(question) > _LONGEST_QUESTION:
        raise ConfigurationError(f"The question is longer than {_LONGEST_QUESTION:,} characters.")


def _status(error: RagError) -> int:
    """Return 400 for an error in the request, 503 for an unavailable model or database."""
    return 400 if isinstance(error, ConfigurationError) else 503


class _Headers:
    """Adds headers to every response; Starlette's BaseHTTPMiddleware would cost one task per request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "max-age=3600"
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _not_found(request: Request, _error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": "Not found; the endpoints are /api/ask and /api/search."}, 404)
    return HTMLResponse("<!doctype html><title>Not found</title><p>Not found. <a href='/'>Ask a question</a>.", 404)
