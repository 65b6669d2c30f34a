"""The HTTP API: /api/v1, and the two endpoints of /api that came before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi import Request as HttpRequest
from fastapi.params import Depends as DependsOn
from pydantic import BaseModel
from starlette.responses import Response

from rag.errors import ConfigurationError
from rag.service import Reply, Service
from rag.service.asking import Request
from rag.service.shapes import (
    AnswerReply,
    AskRequest,
    DocumentReply,
    ErrorReply,
    FeedbackReply,
    FeedbackRequest,
    LoggedReply,
    Place,
    SearchParameters,
    SearchReply,
    SearchRequest,
    SimilarParameters,
    SimilarReply,
    SourcesReply,
    VerifyReply,
    VerifyRequest,
)
from rag.service.threads import Threads
from rag.web.api.schema import errors, reference, stream_event, streams
from rag.web.api.streams import answer_events, streamed
from rag.web.guard.access import requires

__all__ = ["api_routes"]

Json = dict[str, Any]
Handler = Callable[..., Awaitable[Json | Response]]

_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_EVENTS = streams(
    stream_event(_TEXT, "text"),
    stream_event(reference(AnswerReply), "answer"),
    stream_event(reference(ErrorReply), "error"),
)


def api_routes(service: Service, threads: Threads) -> APIRouter:
    """Return the routes below /api/v1."""
    api = _Api(service, threads)
    router = APIRouter(prefix="/api/v1", tags=["v1"])
    may_ask, may_search = Depends(requires("ask")), Depends(requires("search"))
    may_read = Depends(requires("search", "ask"))
    for_keys = Depends(requires("ask", "feedback", "operate", public=False))

    def add(method: str, path: str, handler: Handler, shape: type[BaseModel], summary: str, guard: DependsOn) -> None:
        router.add_api_route(
            path,
            handler,
            methods=[method],
            operation_id=handler.__name__,  # the name of the function in a generated client
            response_model=shape,
            response_model_exclude_unset=True,
            summary=summary,
            dependencies=[guard],
            responses=(_EVENTS if path == "/ask" else {}) | errors(404),
        )

    add("POST", "/ask", api.ask, AnswerReply, "Answer a question", may_ask)
    add("GET", "/search", api.search_get, SearchReply, "Search", may_search)
    add("POST", "/search", api.search, SearchReply, "Search", may_search)
    add("GET", "/similar", api.similar, SimilarReply, "Documents like another, or like a text", may_search)
    add("POST", "/verify", api.verify, VerifyReply, "Which sentences of a text the sources hold", may_search)
    add("GET", "/documents", api.document, DocumentReply, "Read a document", may_search)
    add("GET", "/sources", api.sources, SourcesReply, "The sources, and when each was last read", may_read)
    # Anybody may be let to ask; what others have asked is for those with a key.
    add("GET", "/answers/{id}", api.answer, LoggedReply, "Read a logged answer", for_keys)
    add("POST", "/feedback", api.feedback, FeedbackReply, "Rate an answer", Depends(requires("feedback")))
    return router


class _Api:
    def __init__(self, service: Service, threads: Threads) -> None:
        self._service = service
        self._threads = threads

    async def ask(self, body: AskRequest, request: HttpRequest) -> Json | Response:
        """Answer from the sources, each claim with a citation, or say that they do not answer.

        With `Accept: text/event-stream`, the reply is a stream of events: `text` for each paragraph as soon as it is
        checked, then `answer` with the whole answer, or `error`.
        """
        question = await self._threads.run(
            self._service.request, body.question, body.filters(), body.top_k, body.thread, body.after
        )
        if "text/event-stream" in request.headers.get("accept", ""):
            return await streamed(self.pieces(question), answer_events)
        return await self.answered(question)

    async def answered(self, question: Request) -> Json:
        """Return an answer with its id."""
        reply = await self._threads.run(self._service.answer, question)
        return {**reply.to_json(), "id": reply.answer.id}

    def pieces(self, question: Request) -> AsyncIterator[str | Reply]:
        """Return the pieces of an answer."""
        return self._threads.each(self._service.ask_stream(question))

    async def search_get(self, parameters: Annotated[SearchParameters, Query()]) -> Json:
        """Return the best chunk of each of the best documents, best first."""
        query = parameters.q or parameters.query
        if not query:
            raise ConfigurationError("q, the text to search for, is missing.")
        return await self._search(query, parameters)

    async def search(self, body: SearchRequest) -> Json:
        """Return the best chunk of each of the best documents, best first."""
        return await self._search(body.query, body)

    async def _search(self, query: str, wanted: SearchParameters | SearchRequest) -> Json:
        return await self._threads.run(
            self._service.search,
            query,
            filters=wanted.filters(),
            limit=wanted.limit,
            offset=wanted.offset,
            mode=wanted.mode,
        )

    async def similar(self, parameters: Annotated[SimilarParameters, Query()]) -> Json:
        """Return the documents like one of the index, or like a title and body; the document itself is left out."""
        return await self._threads.run(
            self._service.similar,
            place=parameters.id or parameters.url,
            title=parameters.title,
            body=parameters.body,
            filters=parameters.filters(),
            limit=parameters.limit,
        )

    async def verify(self, body: VerifyRequest) -> Json:
        """Return for each sentence of a text whether a source holds it, with a verbatim quote."""
        return await self._threads.run(self._service.verify, body.text, sources=body.sources, filters=body.filters())

    async def document(
        self,
        url: Annotated[Place | None, Query(description="its URL, or the URL of a place in it")] = None,
        id: Annotated[Place | None, Query(description="its id")] = None,
    ) -> Json:
        """Return a document as Markdown, and the chunks that a search finds."""
        place = url or id
        if not place:
            raise ConfigurationError("url, the URL of a document, is missing.")
        return (await self._threads.run(self._service.document, place)).to_json()

    async def sources(self) -> Json:
        """Return every source of the index."""
        return {"sources": await self._threads.run(self._service.sources)}

    async def answer(self, id: UUID) -> Json:
        """Return an answer as it was given, and what became of it."""
        return await self._threads.run(self._service.logged_json, id)

    async def feedback(self, body: FeedbackRequest) -> Json:
        """Record a thumb, a comment or the page that answers."""
        try:
            answer = UUID(body.id)
        except ValueError:
            raise ConfigurationError("id must be the id of an answer.") from None
        await self._threads.run(
            self._service.rate, answer, body.thumb, better_page=body.better_page or None, comment=body.comment or None
        )
        return {"id": body.id, "thumb": body.thumb, "comment": body.comment, "better_page": body.better_page}
