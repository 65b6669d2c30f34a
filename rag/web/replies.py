"""Error replies: one sentence as JSON for programs, a page for readers, and the status that fits the error."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from rag.errors import ConfigurationError, RagError
from rag.service import Missing
from rag.store.postgres.encoding import storable
from rag.text.refusals import refusal
from rag.web.pages.templating import render

__all__ = ["answer_errors", "failure", "failure_of", "headers_of", "status_of"]

log = logging.getLogger(__name__)

_FOR_PROGRAMS = ("/api/", "/stream", "/v1/", "/mcp", "/openapi.json", "/metrics", "/healthz", "/map/data")
# Codes of JSON-RPC.
_INVALID_REQUEST, _INTERNAL_ERROR = -32600, -32603
_NOT_FOUND = "Not found; /openapi.json lists the endpoints."


def status_of(error: RagError) -> int:
    """Return 404 for what does not exist, 400 for another error in the request, 503 for a model or database away."""
    if isinstance(error, Missing):
        return 404
    return 400 if isinstance(error, ConfigurationError) else 503


def failure(scope: Scope, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in the form that the path's readers expect."""
    path: str = scope["path"]
    if path.startswith("/v1/"):
        kind = "invalid_request_error" if status < 500 else "server_error"
        code = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}.get(status)
        body = {"error": {"message": sentence, "type": kind, "param": None, "code": code}}
        return JSONResponse(body, status, headers)
    if path == "/mcp" or path.startswith("/mcp/"):
        # As JSON-RPC says it: a client of MCP shows its user nothing of another body.
        rpc = {"code": _INVALID_REQUEST if status < 500 else _INTERNAL_ERROR, "message": sentence}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": rpc}, status, headers)
    if path.startswith(_FOR_PROGRAMS):
        return JSONResponse({"error": sentence}, status, headers)
    values = {"sentence": sentence, "brand": scope["app"].state.brand}
    return HTMLResponse(render("error.html", values), status, headers)


def failure_of(scope: Scope, error: RagError) -> Response:
    """Return an error of the service."""
    return failure(scope, status_of(error), storable(str(error)), headers_of(status_of(error)))


def headers_of(status: int) -> Mapping[str, str] | None:
    """Return what a status wants in the headers: when to try again, if the service is not available now."""
    return {"Retry-After": "5"} if status == 503 else None


def answer_errors(app: FastAPI) -> None:
    """Make the application answer every error with one sentence."""
    app.add_exception_handler(RagError, _rag_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _rag_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RagError)
    return failure_of(request.scope, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"][1:] if not isinstance(part, int) or len(problem["loc"]) > 2)
    message = refusal(problem)
    sentence = f"{place}: {message}." if place else f"The body {message}."
    if problem["type"] == "json_invalid":
        sentence = "The body is not JSON."
    return failure(request.scope, 400, storable(sentence))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    is_program = request.url.path.startswith(_FOR_PROGRAMS)
    missing = _NOT_FOUND if is_program else "There is no page at this address."
    said = missing if error.status_code == 404 else f"{str(error.detail).rstrip('.')}."
    return failure(request.scope, error.status_code, said, error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    name = request.scope.get("state", {}).get("request_id", "")
    log.error("request %s failed", name, exc_info=error)
    return failure(request.scope, 500, f"The server failed; see its log for request {name}.")
