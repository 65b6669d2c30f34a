"""Feedback: a form for thumbs under each answer, and the page of a logged answer. No scripts."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import parse_qs
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rag.answer.answer import Answer
from rag.engine import Engine
from rag.operate.answer_log import LoggedAnswer
from rag.store.answers import Thumb
from rag.web.markup import is_web_url

__all__ = ["feedback_routes"]

# In bytes: enough for a thumb and a URL.
_LONGEST_FORM = 8_000
_THUMBS: dict[str, Thumb] = {"up": "up", "down": "down"}


class Show(Protocol):
    """The type of a function that renders the page."""

    async def __call__(
        self,
        question: str,
        source: str | None,
        *,
        answer: Answer | None = None,
        logged: LoggedAnswer | None = None,
        error: str | None = None,
        status: int = 200,
    ) -> Response:
        """Return the page with an answer or an error."""
        ...


def feedback_routes(engine: Engine, show: Show) -> list[Route]:
    """Return the routes of a logged answer: GET shows it, POST rates it."""
    feedback = _Feedback(engine, show)
    return [Route("/answers/{id:uuid}", feedback.read), Route("/answers/{id:uuid}", feedback.rate, methods=["POST"])]


class _Feedback:
    def __init__(self, engine: Engine, show: Show) -> None:
        self._engine = engine
        self._show = show

    async def read(self, request: Request) -> Response:
        """Show a logged answer; knowing its URL is enough to read it."""
        logged = await run_in_threadpool(self._engine.answer_log.find, _id(request))
        if logged is None:
            return await self._unknown()
        return await self._show(logged.answer.question, logged.source, answer=logged.answer, logged=logged)

    async def rate(self, request: Request) -> Response:
        """Store a rating and redirect to the answer."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return await self._show("", None, error="This form was sent by another site.", status=403)
        form = await _form(request)
        page = form.get("better_page", "").strip()
        better_page = page if is_web_url(page) else None
        # Enter in the field presses the form's first button, thumb up; a better page implies thumb down.
        thumb = "down" if better_page else _THUMBS.get(form.get("thumb", ""))
        if thumb is None:
            return await self._show("", None, error="The thumb must be up or down.", status=400)
        known = await run_in_threadpool(self._engine.answer_log.rate, _id(request), thumb, better_page=better_page)
        return RedirectResponse(request.url.path, 303) if known else await self._unknown()

    async def _unknown(self) -> Response:
        return await self._show("", None, error="This answer does not exist or has expired.", status=404)


def _id(request: Request) -> UUID:
    found: UUID = request.path_params["id"]
    return found


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; a longer body than this page sends counts as empty."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
