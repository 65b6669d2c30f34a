"""The page: a question box, the answer and its sources; and the page of a logged answer, which takes feedback."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rag.answer.answer import Answer
from rag.errors import RagError
from rag.operate.answer_log import LoggedAnswer
from rag.service import Service
from rag.service.service import LONGEST_QUESTION
from rag.service.threads import Threads
from rag.store.answers import Thumb
from rag.store.filters import Filters
from rag.text.urls import is_web_url
from rag.web.access import requires
from rag.web.markup import render_answer
from rag.web.replies import status_of

__all__ = ["page_routes"]

# In bytes: enough for a thumb and a URL.
_LONGEST_FORM = 8_000
_THUMBS: dict[str, Thumb] = {"up": "up", "down": "down"}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
_templates.tests["web_url"] = is_web_url


def page_routes(service: Service, threads: Threads) -> APIRouter:
    """Return the routes of the pages."""
    page = _Page(service, threads)
    router = APIRouter(include_in_schema=False, dependencies=[Depends(requires("ask"))])
    for path, handler, methods in (
        ("/", page.ask, ["GET", "HEAD"]),
        ("/answers/{id}", page.read, ["GET", "HEAD"]),
        ("/answers/{id}", page.rate, ["POST"]),
    ):
        router.add_api_route(path, handler, methods=methods, response_model=None)
    return router


class _Page:
    def __init__(self, service: Service, threads: Threads) -> None:
        self._service = service
        self._threads = threads

    async def ask(self, request: Request) -> Response:
        """Show the question box and, if there is a question, its answer."""
        question = request.query_params.get("q", "").strip()
        source = request.query_params.get("source") or None
        after = request.query_params.get("after")
        try:
            answer = await self._answer(question, source, after) if question else None
        except RagError as error:
            return await self._show(question, source, error=str(error), status=status_of(error))
        return await self._show(question, source, answer=answer)

    async def _answer(self, question: str, source: str | None, after: str | None) -> Answer:
        reply = await self._threads.run(self._service.ask, question, filters=Filters(source=source), after=after)
        return reply.answer

    async def read(self, id: str) -> Response:
        """Show a logged answer; knowing its URL is enough to read it."""
        try:
            logged = await self._threads.run(self._service.logged, _uuid(id))
        except RagError as error:
            return await self._show("", None, error=str(error), status=status_of(error))
        return await self._show(logged.answer.question, logged.source, answer=logged.answer, logged=logged)

    async def rate(self, id: str, request: Request) -> Response:
        """Store a rating and redirect to the answer."""
        form = _form(await request.body())
        page = form.get("better_page", "").strip()
        better_page = page if is_web_url(page) else None
        # Enter in the field presses the form's first button, thumb up; a better page implies thumb down.
        thumb = "down" if better_page else _THUMBS.get(form.get("thumb", ""))
        if thumb is None:
            return await self._show("", None, error="The thumb must be up or down.", status=400)
        try:
            await self._threads.run(self._service.rate, _uuid(id), thumb, better_page=better_page)
        except RagError as error:
            return await self._show("", None, error=str(error), status=status_of(error))
        return RedirectResponse(request.url.path, 303)

    async def _show(
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
        try:
            known = await self._threads.run(self._service.sources)
        except RagError as away:  # the page is whole without them
            known, error, status = [], error or str(away), max(status, status_of(away))
        values: dict[str, Any] = {
            "question": question,
            "chosen": source,
            "sources": [state["name"] for state in known],
            "documents": sum(state["documents"] for state in known),
            "longest": LONGEST_QUESTION,
            "answer": answer,
            "logged": logged,
            "html": render_answer(answer) if answer else "",
            "error": error,
        }
        return HTMLResponse(_templates.get_template("page.html").render(values), status)


def _form(body: bytes) -> dict[str, str]:
    """Return the fields of a form; a longer body than this page sends counts as empty."""
    if len(body) > _LONGEST_FORM:
        return {}
    return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)  # no answer has it
