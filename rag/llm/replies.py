"""Replies of servers that speak the OpenAI API, read as such servers write them.

They differ from the published schema: the content is missing, or a list of parts; an error comes with status 200; a
request for a stream is answered with one whole completion; a stream ends in the middle. Whatever is not an answer is a
`ReplyError`, never an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from rag.text.lines import one_line

__all__ = ["Piece", "ReplyError", "error_text", "pieces", "status_of"]

_NOT_A_COMPLETION = "sent a reply that is not a chat completion. Check OPENAI_BASE_URL."
# Why a reply ended, if it did not end by itself: what the reasons of the vendors have in common. The others, such as
# stop, eos and end_turn, are ends.
_ENDINGS = {
    re.compile(
        "filter|safety|recitation|prohibited|blocklist|spii|sensitive|refusal|moderation"
    ): "was stopped by the content filter of its server.",
    re.compile("length|max_?tokens|context"): "was cut off: its reply reached the limit of tokens.",
    re.compile("error|abort|cancel|time_?out|insufficient|malformed|fail|overloaded"): "broke off with an error.",
}
_EVENT_FIELDS = ("data:", "event:", "id:", "retry:", ":")
# Parts of a content that are no part of the answer.
_HIDDEN_PARTS = frozenset({"thinking", "reasoning", "redacted_thinking", "refusal"})
_LONGEST_REASON = 200


class ReplyError(Exception):
    """A reply that is not an answer; its text is a predicate, to be put behind the name of the language model."""

    def __init__(self, predicate: str, *, said: str = "") -> None:
        super().__init__(predicate)
        #: what the server said
        self.said = said


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text of a reply, and the object that it was sent in."""

    text: str
    raw: Mapping[str, Any] = field(default_factory=dict)


def pieces(lines: Iterable[str]) -> Iterator[Piece]:
    """Yield the text of a reply, piece by piece, from the lines of its body: a whole completion or a stream of chunks.

    :raises ReplyError: the reply is not a completion, or it has ended before it was complete
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), "").removeprefix("\ufeff")
    if first.startswith(_EVENT_FIELDS):
        events, is_stream = _events(chain([first], rest)), True
    else:
        events, is_stream = iter([_parsed("\n".join([first, *rest]))]), False
    ending: str | None = None
    is_done, is_empty = not is_stream, True
    for event in events:
        if event is None:
            is_done = True
            break
        text, reason = _read(event, is_stream=is_stream)
        ending = reason or ending
        is_empty = is_empty and not text.strip()
        yield Piece(text, event)
    if early := _early(ending):
        raise ReplyError(early)
    if not is_done and ending is None:
        raise ReplyError("stopped in the middle of its answer. Try again.")
    if is_empty:
        raise ReplyError("wrote nothing.")


def _early(reason: str | None) -> str | None:
    """Return what it means that a reply ended for a reason; None if it is complete."""
    return next((said for pattern, said in _ENDINGS.items() if reason and pattern.search(reason.lower())), None)


def error_text(body: object) -> str:
    """Return what a server says in an error's body, of any shape; "" if it says nothing."""
    match body:
        case str():
            return body
        case {"error": inner} | {"base_resp": {"status_msg": inner}} if inner:
            return error_text(inner)
        case {"message": str(outer), "metadata": {"raw": str(inner)}} if inner:  # what a gateway was told
            return f"{outer}: {inner}"
        case {"message": inner} | {"detail": inner} | {"msg": inner} if inner:
            return error_text(inner)
        case [first, *_]:
            return error_text(first)
        case _:
            return ""


def status_of(body: object) -> str:
    """Return the codes and types of an error's body, joined by spaces."""
    if not isinstance(body, Mapping):
        return ""
    inner = body.get("error")
    codes = [str(body[key]) for key in ("code", "type", "error_type", "status") if body.get(key)]
    return " ".join([*codes, status_of(inner)]).strip()


def _events(lines: Iterable[str]) -> Iterator[Mapping[str, Any] | None]:
    """Yield the objects of server-sent events; None where the server says that it is done."""
    for line in lines:
        name, _, value = line.partition(":")
        if name != "data" or not value.strip():
            continue
        if value.strip().upper() == "[DONE]":
            yield None
        else:
            yield _parsed(value)


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ReplyError(_NOT_A_COMPLETION, said=one_line(text)[:_LONGEST_REASON])
    return body


def _read(event: Mapping[str, Any], *, is_stream: bool) -> tuple[str, str | None]:
    """Return the text of a completion or a chunk, and why it ended there."""
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for where in (event, choice):
        if isinstance(where, dict) and where.get("error"):
            raise _failure(where)
    if choice is None and is_stream:
        return "", None  # the counts of tokens come in a chunk without choices
    if not isinstance(choice, dict):
        raise _failure(event) if error_text(event) else ReplyError(_NOT_A_COMPLETION)
    said = choice.get("delta") or choice.get("message") or choice
    said = said if isinstance(said, dict) else {}
    text = _text(said["content"] if "content" in said else said.get("text"))
    if not text.strip() and said.get("refusal"):
        raise ReplyError("refused to answer.")  # its words are not shown: they are not checked
    reason = choice.get("finish_reason")
    return text, reason if isinstance(reason, str) and reason else None


def _failure(body: Mapping[str, Any]) -> ReplyError:
    said = one_line(error_text(body))[:_LONGEST_REASON] or "the server does not say why"
    return ReplyError(f"failed: {said}", said=f"{said} {status_of(body)}")


def _text(content: object) -> str:
    """Return the text of a message's content: a string, or a list of parts of which some are text."""
    match content:
        case str():
            return content
        case list():
            return "".join(map(_text, content))
        case {"type": kind} if kind in _HIDDEN_PARTS:
            return ""
        case {"text": inner} | {"value": inner} | {"content": inner}:
            return _text(inner)
        case _:
            return ""
