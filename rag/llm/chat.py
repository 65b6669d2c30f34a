"""A LlamaIndex chat model for any server that speaks the OpenAI API, with one layer of retries.

LlamaIndex's own client retries around the retries of the openai client, and takes a reply without an answer for an
empty answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import openai
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ChatResponseGen, MessageRole
from llama_index.llms.openai.utils import to_openai_message_dicts
from llama_index.llms.openai_like import OpenAILike

from rag.llm.failures import may_pass
from rag.llm.replies import Piece, ReplyError, pieces
from rag.llm.visible import UnfinishedThought, visible_lines

__all__ = ["STREAM_TIMEOUTS", "ChatModel"]

_TRIES = 3
# Seconds before the second and the third try, if the server names none; and the longest that it may name.
_PAUSES = (0.5, 1.0)
_LONGEST_PAUSE = 20.0
#: A streamed reply may take this many times the timeout in all; its parts may be one timeout apart.
STREAM_TIMEOUTS = 10
# In characters; an answer has a few thousand, and each comes in an event of some hundred.
_LONGEST_REPLY = 20_000_000


class ChatModel(OpenAILike):
    """A chat model whose replies are answers: without thoughts, and never empty.

    A reply that is not an answer raises `ReplyError`, see `rag.llm.failures.translating_errors`.
    """

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in LlamaIndex."""
        return "ChatModel"

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ANN401 - LlamaIndex's
        raw: dict[str, Any] = {}
        with self._opened(messages, stream=False, **kwargs) as lines:
            text = "".join(self._visible(lines, raw, at_once=False))
        message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
        return ChatResponse(message=message, raw=raw, additional_kwargs=self._get_response_token_counts(raw))

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:  # noqa: ANN401
        def responses() -> ChatResponseGen:
            raw: dict[str, Any] = {}
            text = ""
            with self._opened(messages, stream=True, **kwargs) as lines:
                for delta in self._visible(lines, raw, at_once=True):
                    text += delta
                    message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
                    yield ChatResponse(message=message, delta=delta, raw=dict(raw))

        return responses()

    @contextmanager
    def _opened(self, messages: Sequence[ChatMessage], **options: Any) -> Iterator[Iterator[str]]:  # noqa: ANN401
        """Send a request, again if it may pass, and give the lines of the reply's body.

        :raises openai.OpenAIError: the server cannot be reached, or refuses the request
        """
        create = self._get_client().chat.completions.with_streaming_response.create
        request = {"messages": to_openai_message_dicts(messages, model=self.model), **self._get_model_kwargs(**options)}
        for attempt in range(_TRIES):
            try:
                opened = create(**request)
                reply = opened.__enter__()
                break
            except openai.OpenAIError as error:
                pause = _pause(error, attempt)
                if pause is None:
                    raise
                time.sleep(pause)
        try:
            seconds = self.timeout * (STREAM_TIMEOUTS if options["stream"] else 1)
            yield _lines(reply.iter_text(), deadline=time.monotonic() + seconds)
        finally:
            opened.__exit__(None, None, None)

    def _visible(self, lines: Iterator[str], raw: dict[str, Any], *, at_once: bool) -> Iterator[str]:
        """Yield the text of a reply; keep its last object with a usage in `raw`."""

        def texts() -> Iterator[str]:
            for piece in pieces(lines):
                _keep_usage(piece, raw)
                yield piece.text

        is_empty = True
        try:
            for text in visible_lines(texts(), at_once=at_once):
                is_empty = is_empty and not text.strip()
                yield text
        except UnfinishedThought:
            raise ReplyError("was cut off before it had written an answer.") from None
        if is_empty:
            raise ReplyError("wrote nothing.")


def _pause(error: openai.OpenAIError, attempt: int) -> float | None:
    """Return the seconds before the next try; None if there is none."""
    if attempt == _TRIES - 1 or not may_pass(error):
        return None
    asked = _retry_after(error.response) if isinstance(error, openai.APIStatusError) else None
    if asked is None:
        return _PAUSES[attempt]
    return asked if asked <= _LONGEST_PAUSE else None


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait; None if it names no number."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = response.headers.get(name, "")
        if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit():
            return float(value) * unit
    return None


def _lines(parts: Iterable[str], *, deadline: float) -> Iterator[str]:
    """Yield the lines of a body without their ends; only a line feed ends one, since JSON may hold other separators."""
    size = 0
    rest: list[str] = []
    for part in parts:
        size += len(part)
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the reply takes too long")
        if size > _LONGEST_REPLY:
            raise ReplyError("sent a reply that is too long for an answer.")
        first, *others = part.split("\n")
        rest.append(first)
        for other in others:
            yield "".join(rest).rstrip("\r")
            rest = [other]
    yield "".join(rest)


def _keep_usage(piece: Piece, raw: dict[str, Any]) -> None:
    if piece.raw.get("usage") or not raw:
        raw.clear()
        raw.update(piece.raw)
