"""Streams: server-sent events of an answer, paragraph by paragraph."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse

from rag.errors import RagError
from rag.service import Reply
from rag.store.postgres.encoding import storable

__all__ = ["answer_events", "event", "streamed"]


def event(data: Mapping[str, Any], name: str | None = None) -> str:
    """Return a server-sent event."""
    line = f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
    return f"event: {name}\n{line}" if name else line


async def streamed(
    pieces: AsyncIterator[str | Reply], events: Callable[[AsyncIterator[str | Reply]], AsyncIterator[str]]
) -> Response:
    """Return a response that streams events.

    An error before the first piece is raised, so that it has a status of its own.

    :param events: turns pieces into events
    """
    first = await anext(pieces)

    async def all_pieces() -> AsyncIterator[str | Reply]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(all_pieces()), media_type="text/event-stream", headers=headers)


async def answer_events(pieces: AsyncIterator[str | Reply]) -> AsyncIterator[str]:
    """Yield "text" for each paragraph, and at the end "answer" with the whole answer, or "error"."""
    try:
        async for piece in pieces:
            if isinstance(piece, Reply):
                yield event({**piece.to_json(), "id": piece.answer.id}, "answer")
            else:
                yield event({"text": piece}, "text")
    except RagError as error:
        yield event({"error": storable(str(error))}, "error")
