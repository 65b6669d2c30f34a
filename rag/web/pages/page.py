"""The pages: a question box, the answer and its sources; a logged answer, which takes feedback; a stored document.

They are whole without JavaScript. `/stream` gives the script of the page and the widget the same answer as it is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from rag.answer.answer import Answer, Note
from rag.errors import ConfigurationError, DatabaseError, LLMError, RagError
from rag.service import Missing, Reply, Service
from rag.service.asking import Request as Question
from rag.service.service import LONGEST_QUESTION
from rag.service.threads import Threads
from rag.store.answers import Thumb
from rag.store.filters import KINDS, STATES, Filters
from rag.store.postgres.encoding import storable
from rag.text.urls import is_web_url
from rag.web.api.streams import event, streamed
from rag.web.guard.access import requires
from rag.web.pages.brand import Brand
from rag.web.pages.markup import render_draft, render_text
from rag.web.pages.templating import render
from rag.web.pages.turns import Turn, earlier_turns, turn_of
from rag.web.pages.widget import widget_script
from rag.web.replies import headers_of, status_of

__all__ = ["page_routes"]


# In bytes: enough for a thumb, a URL and a comment.
_LONGEST_FORM = 8_000
_THUMBS: dict[str, Thumb] = {"up": "up", "down": "down"}
_THREADS = ("issue", "pull", "discussion")
# The kinds of documents that a kind of source holds.
_HELD = {"github": _THREADS, "docs": ("page",), "repository": ("file",)}
_EVERYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "max-age=300"}


def page_routes(service: Service, threads: Threads, brand: Brand) -> APIRouter:
    """Return the routes of the pages."""
    page = _Page(service, threads, brand)
    router = APIRouter(include_in_schema=False)
    may_ask, may_read = [Depends(requires("ask"))], [Depends(requires("search"))]
    for path, handler, methods, guards in (
        ("/", page.ask, ["GET", "HEAD"], may_ask),
        ("/stream", page.stream, ["GET"], may_ask),
        ("/answers/{id}", page.read, ["GET", "HEAD"], may_ask),
        ("/answers/{id}", page.rate, ["POST"], may_ask),
        ("/document", page.document, ["GET", "HEAD"], may_read),
        ("/widget.js", page.widget, ["GET", "HEAD"], []),
        ("/static/brand.css", page.stylesheet, ["GET", "HEAD"], []),
        ("/static/logo", page.logo, ["GET", "HEAD"], []),
    ):
        router.add_api_route(path, handler, methods=methods, response_model=None, dependencies=guards)
    return router


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a page was asked."""

    question: str = ""
    filters: Filters = field(default_factory=Filters)
    after: str | None = None


class _Page:
    def __init__(self, service: Service, threads: Threads, brand: Brand) -> None:
        self._service = service
        self._threads = threads
        self._brand = brand

    async def ask(self, request: Request) -> Response:
        """Show the question box and, if there is a question, its answer below the turns before it."""
        given = request.query_params
        asked = _Asked(given.get("q", "").strip(), after=given.get("after") or None)
        try:
            asked = replace(asked, filters=Filters.of(given))
            turns = await self._threads.run(self._turns, asked) if asked.question else []
        except RagError as error:
            return await self._show(asked, error=error)
        return await self._show(asked, turns)

    def _turns(self, asked: _Asked) -> list[Turn]:
        question = self._service.request(asked.question, asked.filters, after=asked.after)
        return self._thread(question, self._service.answer(question).answer)

    def _thread(self, question: Question, answer: Answer) -> list[Turn]:
        """Return an answer below the earlier ones of its conversation."""
        thread = question.asked.thread
        earlier = earlier_turns(self._service, thread, before=answer.id) if thread else []
        return [*earlier, turn_of(self._service, answer, is_first=not earlier)]

    async def stream(self, request: Request) -> Response:
        """Answer as events: "html" with the answer so far, then "answer" with its sources and as the page shows it."""
        given = request.query_params
        question = await self._threads.run(
            self._service.request, given.get("q", "").strip(), Filters.of(given), after=given.get("after") or None
        )
        pieces = self._threads.each(self._service.ask_stream(question))
        return await streamed(pieces, lambda pieces: self._events(question, pieces))

    async def _events(self, question: Question, pieces: AsyncIterator[str | Reply]) -> AsyncIterator[str]:
        text = ""
        try:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    yield event(await self._threads.run(self._finished, question, piece), "answer")
                elif not isinstance(piece, Note):  # the turn says the same without the operator's business
                    text += piece
                    yield event({"html": render_draft(text)}, "html")
        except RagError as error:
            yield event({"error": _calm(error)}, "error")

    def _finished(self, question: Question, reply: Reply) -> dict[str, Any]:
        answer = reply.answer
        turn = self._thread(question, answer)[-1]
        sources = [
            {"n": shown.citation.n, "title": shown.citation.title, "address": shown.address, "quote": shown.quote}
            for shown in turn.sources
        ]
        return {
            "id": answer.id,
            "answered": answer.answered,
            "html": turn.html,
            "note": turn.note,
            "likelihood": turn.likelihood,
            "sources": sources,
            "turn": render("turn.html", {"turn": turn, **self._common()}),
        }

    async def read(self, id: str) -> Response:
        """Show a logged answer; knowing its URL is enough to read it, and not the conversation that it is of."""
        try:
            logged = await self._threads.run(self._service.logged, _uuid(id))
            turn = await self._threads.run(turn_of, self._service, logged.answer, is_first=True, logged=logged)
        except RagError as error:
            return await self._show(_Asked(), error=error)
        return await self._show(_Asked(logged.answer.question, Filters(source=logged.source)), [turn])

    async def rate(self, id: str, request: Request) -> Response:
        """Store a rating and redirect to the answer, or tell a script what was stored."""
        form = _form(await request.body())
        page = form.get("better_page", "").strip()
        better_page = page if is_web_url(page) else None
        # Enter in the field presses the form's first button, thumb up; a better page implies thumb down.
        thumb = "down" if better_page else _THUMBS.get(form.get("thumb", ""))
        try:
            if thumb is None:
                raise ConfigurationError("The thumb must be up or down.")
            await self._threads.run(self._service.rate, _uuid(id), thumb, better_page=better_page)
        except RagError as error:
            return await self._show(_Asked(), error=error)
        if "application/json" in request.headers.get("accept", ""):
            return Response(status_code=204)
        return RedirectResponse(request.url.path, 303)

    async def document(self, request: Request) -> Response:
        """Show a stored document that has no address on the web, such as a file of a local clone."""
        try:
            reading = await self._threads.run(self._service.document, request.query_params.get("url", ""))
        except RagError as error:
            return await self._show(_Asked(), error=error)
        html = render_text(reading.markdown)
        return HTMLResponse(render("document.html", {"reading": reading, "html": html, **self._common()}))

    async def widget(self, request: Request) -> Response:
        """Return the script that puts the question box on another site."""
        script = widget_script(self._brand, LONGEST_QUESTION)
        return Response(script, media_type="text/javascript", headers=_EVERYWHERE)

    async def stylesheet(self) -> Response:
        """Return the colour of the brand."""
        return Response(self._brand.stylesheet, media_type="text/css")

    async def logo(self) -> Response:
        """Return the logo."""
        if self._brand.logo is None:
            raise Missing("There is no logo.")
        return FileResponse(self._brand.logo, media_type=self._brand.logo_type)

    def _common(self) -> dict[str, Any]:
        return {"brand": self._brand, "longest": LONGEST_QUESTION}

    def _known(self) -> tuple[list[dict[str, Any]], list[str]]:
        return self._service.sources(), self._service.versions()

    async def _show(self, asked: _Asked, turns: list[Turn] | None = None, *, error: RagError | None = None) -> Response:
        """Show the question box, with turns or an error below it."""
        known, versions = list[dict[str, Any]](), list[str]()
        if not isinstance(error, DatabaseError):  # else the reader would wait for the database once more
            try:
                known, versions = await self._threads.run(self._known)
            except RagError as away:  # the page is whole without them
                error = error or away
        held = {kind for state in known for kind in _HELD.get(state["kind"], ())}
        last = turns[-1] if turns else None
        values = {
            **self._common(),
            "question": asked.question,
            "filters": {name: value or "" for name, value in _texts(asked.filters).items()},
            "kinds": [kind for kind in KINDS if kind in held or kind == asked.filters.kind],
            "has_threads": not held.isdisjoint(_THREADS),
            "states": STATES,
            "sources": [state["name"] for state in known],
            "versions": versions,
            "documents": sum(state["documents"] for state in known),
            "turns": turns or [],
            "after": last.answer.id if last else None,
            "error": _calm(error) if error else None,
        }
        status = status_of(error) if error else 200
        return HTMLResponse(render("page.html", values), status, headers_of(status))


def _texts(filters: Filters) -> Mapping[str, str | None]:
    return {
        "source": filters.source,
        "kind": filters.kind,
        "label": filters.label,
        "state": filters.state,
        "since": filters.since.isoformat() if filters.since else None,
        "until": filters.until.isoformat() if filters.until else None,
        "version": filters.version,
    }


def _calm(error: RagError) -> str:
    """Return what a reader is told: a failing model is the operator's business."""
    return "The answer broke off. Please try again." if isinstance(error, LLMError) else storable(str(error))


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
