"""The OpenAI-compatible API: chat clients use the index as a model.

The last message of the user is the question, the turns before it are its history. The sources stand in the annotations
of the message, as OpenAI's web search has them, and whole in the extra field `sources`. At the end of the text they are
Markdown link definitions, which make each marker [n] a link where Markdown is shown, and are readable where it is not.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from rag.answer.answer import Answer, Turn, pages_of
from rag.errors import ConfigurationError, RagError
from rag.service import Missing, Reply, Service
from rag.service.asking import Request
from rag.service.shapes import AnswerReply, Cited, Fresh
from rag.service.threads import Threads
from rag.store.filters import Filters
from rag.store.postgres.encoding import storable
from rag.web.api.schema import errors, reference, stream_event, streams
from rag.web.api.streams import event, streamed
from rag.web.guard.access import requires

__all__ = ["MODEL", "chat_routes"]

#: The model that answers from every source; `support-engine/NAME` answers from one.
MODEL = "support-engine"

_MARKER = re.compile(r"\[(\d{1,3})\]")
# The definitions that an earlier reply ended with.
_DEFINITIONS = re.compile(r"(?:\n+\[\d{1,3}\]: <\S+>[^\n]*)+\s*$")
_DEFINED = re.compile(r"^\[\d{1,3}\]: <(\S+?)>", re.M)
_TURNS = 6


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Part(_Open):
    """A part of a message; only text is read."""

    type: str
    text: str | None = None


class Message(_Open):
    """A message of the conversation; those of other roles are not read."""

    role: str = Field(examples=["user", "assistant"])
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The text of the message."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.type == "text" and part.text)


#: What one of the messages must be, as JSON schema says it.
_QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {"role": {"const": "user"}, "content": {"type": "string", "pattern": "\\S"}},
    "required": ["role", "content"],
}


class StreamOptions(_Open):
    """What a stream ends with."""

    include_usage: bool | None = None


class ChatRequest(_Open):
    """A conversation whose last message of the user is the question; other parameters of OpenAI's API are ignored."""

    model: str = Field(MODEL, max_length=200)
    messages: list[Message] = Field(min_length=1, json_schema_extra={"contains": _QUESTION})
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    thread: str | None = Field(None, max_length=100, description="the conversation under which answers are logged")


class UrlCitation(_Open):
    """The place of a marker in the text, and what it cites."""

    start_index: int
    end_index: int
    url: str
    title: str


class Annotation(_Open):
    """A citation."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class ReplyMessage(_Open):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[Annotation]


class Choice(_Open):
    """The only choice."""

    index: int
    message: ReplyMessage
    finish_reason: Literal["stop"]
    logprobs: None


class TokenUsage(_Open):
    """The tokens of the language model that wrote the answer; zero where there is none."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatReply(_Open):
    """A completion, with the sources of the answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage
    answered: bool
    sources: list[Cited]
    score: float
    thread: str | None
    freshness: list[Fresh]


class ModelEntry(_Open):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(_Open):
    """The models."""

    object: Literal["list"]
    data: list[ModelEntry]


class ChatError(_Open):
    """Why a request failed."""

    message: str
    type: str
    param: str | None
    code: str | None


class ChatErrorReply(_Open):
    """Why a request failed, as OpenAI says it."""

    error: ChatError


_CHUNK = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "chat.completion.chunk"},
        "created": {"type": "integer"},
        "model": {"type": "string"},
        "choices": {
            "type": "array",
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "index": {"const": 0},
                    "delta": {"type": "object", "properties": {"content": {"type": "string"}}},
                    "finish_reason": {"enum": [None, "stop"]},
                },
                "required": ["index", "delta", "finish_reason"],
            },
        },
    },
    "required": ["id", "object", "created", "model", "choices"],
}
_DONE = {"type": "object", "properties": {"data": {"const": "[DONE]"}}, "required": ["data"]}
_EVENTS = streams(stream_event(_CHUNK), stream_event(reference(ChatErrorReply)), _DONE)


def chat_routes(service: Service, threads: Threads) -> APIRouter:
    """Return the routes below /v1."""
    chat = _Chat(service, threads)
    router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], dependencies=[Depends(requires("ask"))])
    failures = errors(404, shape=ChatErrorReply)
    router.add_api_route(
        "/chat/completions",
        chat.complete,
        methods=["POST"],
        operation_id="complete",
        response_model=ChatReply,
        response_model_exclude_unset=True,
        responses=_EVENTS | failures,
        summary="Answer the last message of a conversation",
    )
    router.add_api_route(
        "/models",
        chat.models,
        operation_id="models",
        response_model=ModelList,
        responses=failures,
        summary="The index, and each source",
    )
    return router


class _Chat:
    def __init__(self, service: Service, threads: Threads) -> None:
        self._service = service
        self._threads = threads

    async def models(self) -> dict[str, Any]:
        """Return the index as a model, and each source as another."""
        states = await self._threads.run(self._service.sources)
        names = [MODEL, *(f"{MODEL}/{state['name']}" for state in states)]
        return {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": 0, "owned_by": MODEL} for name in names],
        }

    async def complete(self, body: ChatRequest) -> dict[str, Any] | Response:
        """Answer the last message of the user; with `stream`, in chunks that end with `[DONE]`."""
        question = await self._threads.run(self._request, body)
        if body.stream:
            chunks = _Chunks(body.model, with_usage=bool(body.stream_options and body.stream_options.include_usage))
            return await streamed(self._threads.each(self._service.ask_stream(question)), chunks.events)
        reply = await self._threads.run(self._service.answer, question)
        return _completion(reply, body.model)

    def _request(self, body: ChatRequest) -> Request:
        source = body.model.partition(f"{MODEL}/")[2] or None
        if source and source not in {state["name"] for state in self._service.sources()}:
            raise Missing(f"There is no model {body.model!r}; /v1/models lists them.")
        question, history = _conversation(body.messages)
        request = self._service.request(question, Filters(source=source), thread=body.thread)
        return Request(request.question, request.filters, request.top_k, history, request.asked)


def _conversation(messages: list[Message]) -> tuple[str, list[Turn]]:
    """Return the last message of the user, and the turns before it."""
    turns: list[Turn] = []
    for message in messages:
        if message.role == "user" and message.text.strip():
            turns.append(Turn(storable(message.text.strip())))
        elif message.role == "assistant" and turns:
            turns[-1] = _answered(turns[-1], message.text)
    if not turns:
        raise ConfigurationError("messages contains no user message with text.")
    return turns[-1].question, turns[-1 - _TURNS : -1]


def _answered(turn: Turn, text: str) -> Turn:
    """Return a turn with its answer, as `_completion` wrote it: where the sources did not answer, no marker is left."""
    answer = _DEFINITIONS.sub("", text)
    pages = _DEFINED.findall(text[len(answer) :]) if _MARKER.search(answer) else ()
    return replace(turn, answer=storable(answer), pages=pages_of(map(storable, pages)))


def _completion(reply: Reply, model: str) -> dict[str, Any]:
    text = reply.answer.answer + _definitions(reply.answer)
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": _annotations(reply.answer)}
    return {
        **_head(reply.answer.id, "chat.completion", model),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": _usage(reply.answer),
        **_extra(reply),
    }


class _Chunks:
    """The chunks of a streamed completion."""

    def __init__(self, model: str, *, with_usage: bool) -> None:
        self._model = model
        self._with_usage = with_usage
        self._head = _head(None, "chat.completion.chunk", model)

    async def events(self, pieces: AsyncIterator[str | Reply]) -> AsyncIterator[str]:
        """Yield a chunk for each paragraph, one with the sources, and the end."""
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    for chunk in self._end(piece):
                        yield chunk
                else:
                    yield self._chunk({"content": piece})
        except RagError as error:
            yield event(
                {"error": {"message": storable(str(error)), "type": "server_error", "param": None, "code": None}}
            )
        yield "data: [DONE]\n\n"

    def _end(self, reply: Reply) -> Iterable[str]:
        definitions = _definitions(reply.answer)
        if definitions:
            # Each paragraph has been followed by an empty line.
            yield self._chunk({"content": definitions.lstrip("\n") if reply.answer.answered else definitions})
        yield self._chunk({"annotations": _annotations(reply.answer)}, finish_reason="stop", extra=_extra(reply))
        if self._with_usage:
            yield event({**self._head, "choices": [], "usage": _usage(reply.answer)})

    def _chunk(
        self, delta: dict[str, Any], finish_reason: str | None = None, extra: Mapping[str, Any] | None = None
    ) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return event({**self._head, "choices": [choice], **(extra or {})})


def _head(name: str | None, kind: str, model: str) -> dict[str, Any]:
    now = int(time.time())
    return {"id": f"chatcmpl-{name or time.time_ns()}", "object": kind, "created": now, "model": model}


def _extra(reply: Reply) -> dict[str, Any]:
    """Return what OpenAI's reply has no place for."""
    whole = reply.to_json()
    names = AnswerReply.model_fields.keys() & {"answered", "sources", "score", "thread", "freshness"}
    return {name: whole[name] for name in sorted(names)}


def _definitions(answer: Answer) -> str:
    lines = [f'[{source.n}]: <{source.url.replace(">", "%3E")}> "{_title(source.title)}"' for source in answer.sources]
    return "\n\n" + "\n".join(lines) if lines else ""


def _title(title: str) -> str:
    return " ".join(title.replace("\\", "").replace('"', "'").split())


def _annotations(answer: Answer) -> list[dict[str, Any]]:
    """Return a citation for each marker; where the sources do not answer, one for each of the nearest pages."""
    sources = {source.n: source for source in answer.sources}
    end = len(answer.answer)
    places = [(match.start(), match.end(), int(match[1])) for match in _MARKER.finditer(answer.answer)]
    if not answer.answered:
        places = [(end, end, number) for number in sources]
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": start,
                "end_index": stop,
                "url": sources[number].url,
                "title": sources[number].title,
            },
        }
        for start, stop, number in places
        if number in sources
    ]


def _usage(answer: Answer) -> dict[str, int]:
    read = (answer.usage and answer.usage.prompt_tokens) or 0
    wrote = (answer.usage and answer.usage.answer_tokens) or 0
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
