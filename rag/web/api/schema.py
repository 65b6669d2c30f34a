"""The OpenAPI document: every reply of every endpoint, errors included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from rag import __version__
from rag.service.shapes import ErrorReply

__all__ = ["describe", "errors", "reference", "stream_event", "streams"]

_DESCRIPTION = """\
Answers from a project's issues, discussions, pull requests and docs, every claim with its source.

Requests from another machine need a key: `Authorization: Bearer KEY`. Each reply has an `X-Request-ID`.
"""
_SAID = {
    400: "The request is wrong; the sentence says what to change.",
    401: "A key is needed, or this one is unknown.",
    403: "This key, or the site that sends the request, may not do that.",
    404: "It does not exist, or has expired.",
    405: "The endpoint has other methods.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    421: "The server is not known under this host.",
    429: "Too many requests; `Retry-After` says when to go on.",
    503: "The database or the language model is away, or the server is busy; `Retry-After` says when to try again.",
}
_USUAL = (400, 401, 403, 405, 408, 413, 421, 429, 503)
_WAIT = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


def streams(*events: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the reply of an endpoint that can stream, for FastAPI.

    :param events: a JSON schema for each kind of event; OpenAPI 3.1 has no place for one of the whole stream
    """
    return {200: {"content": {"text/event-stream": {"schema": {"anyOf": list(events)}}}}}


def stream_event(data: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
    """Return the JSON schema of an event whose data is JSON.

    :param data: the JSON schema of the data
    :param name: that of the event, if it has one
    """
    held = {"type": "string", "contentMediaType": "application/json", "contentSchema": dict(data)}
    if name is None:
        return {"type": "object", "properties": {"data": held}, "required": ["data"]}
    named = {"event": {"const": name}, "data": held}
    return {"type": "object", "properties": named, "required": ["event", "data"]}


def reference(shape: type[BaseModel]) -> dict[str, Any]:
    """Return a reference to a shape that another reply of the document has."""
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def errors(*more: int, shape: type[BaseModel] = ErrorReply) -> dict[int | str, dict[str, Any]]:
    """Return the error replies of an endpoint, for FastAPI.

    :param more: statuses besides those that any request may get
    """
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*_USUAL, *more}):
        described[status] = {"model": shape, "description": _SAID[status]}
        if status in (429, 503):
            described[status]["headers"] = _WAIT
    return described


def describe(app: FastAPI) -> None:
    """Make the application publish its OpenAPI 3.1 document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title="Support Engine",
                version=__version__,
                description=_DESCRIPTION,
                routes=app.routes,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )
            app.openapi_schema = _completed(schema)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a document without FastAPI's reply to invalid input, a 400 here, and with the scheme of the keys."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    # Without a key: this machine, and everybody where the operator says so.
    schema["security"] = [{"key": []}, {}]
    return schema
