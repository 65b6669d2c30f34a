"""Replies of GitHub's API: what they say about errors, rate limits and pages."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import BadStatusLine, RemoteDisconnected
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from requests.utils import parse_header_links
from urllib3.exceptions import HTTPError, InvalidChunkLength

from rag.errors import SourceError, SourceUnavailable
from rag.sources import backoff
from rag.text.lines import one_line

__all__ = [
    "LONGEST_WAIT",
    "Gone",
    "PageRefused",
    "Reply",
    "TooLarge",
    "cause_of",
    "data_of",
    "is_slow",
    "is_transient",
    "message_of",
    "number_in",
    "page_number",
    "parsed",
    "rate_limit_wait",
]

log = logging.getLogger(__name__)

#: A century, in seconds: whatever a header says, the end of a wait is a date.
LONGEST_WAIT = 3.2e9
# GitHub's time for a reply is over: its proxy answers for it, or GraphQL says so.
_TIME_IS_OVER = (502, 504)
_SLOW = ("respond to your request in time", "timeout")
_MOST_DIGITS = 40
#: GitHub asks to wait a minute, and longer each time, for a secondary rate limit without a Retry-After header.
_SECONDARY_WAIT = 60.0


class Gone(SourceError):  # noqa: N818 - named as HTTP names it
    """The requested resource does not exist, or no longer exists.

    :param switched_off: the repository does not have it by its settings: status 410, and not 404 or 451
    """

    def __init__(self, message: str, *, switched_off: bool = False) -> None:
        super().__init__(message)
        self.switched_off = switched_off


class TooLarge(SourceUnavailable):
    """GitHub did not finish the reply in time, which it may if a smaller page is asked for."""


class PageRefused(SourceError):  # noqa: N818 - named for what happened
    """GitHub refuses the number of a page of a large listing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response. `data` is its JSON, None for status 304; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    data: Any

    def link(self, relation: str) -> str | None:
        """Return the URL of a related page, such as "next", from the Link header; None if there is none."""
        links = parse_header_links(self.headers.get("link", ""))
        return next((link["url"] for link in links if link.get("rel") == relation), None)


def parsed(status: int, headers: Mapping[str, str], text: str) -> Reply:
    """Return a response as a reply.

    :raises ValueError: its JSON is incomplete
    """
    data: Any = text
    if not text:
        data = None
    elif text.lstrip()[:1] in ("{", "["):
        data = json.loads(text)  # raises RecursionError, a RuntimeError, if it is nested too deeply
    return Reply(status, headers, data)


def message_of(reply: Reply) -> str:
    """Return the message of an error, on one line."""
    message = reply.data.get("message") if isinstance(reply.data, dict) else None
    if not message and (errors := errors_of(reply)):
        message = errors[0].get("message")
    return one_line(message or "no reason given").rstrip(".")


def cause_of(error: BaseException) -> str:
    """Return the message of the innermost cause, on one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        if isinstance(error, HTTPError) and isinstance(inner, ValueError):
            break  # what is no number in the reply
        error = inner
    if isinstance(error, InvalidChunkLength | BadStatusLine) and not isinstance(error, RemoteDisconnected):
        return "the reply is no HTTP"
    return one_line(error).rstrip(".") or type(error).__name__


def rate_limit_wait(reply: Reply, limited: int) -> float | None:
    """Return the seconds that a rate limit asks to wait; None if the reply is not about a rate limit.

    :param limited: how many rate limits the request has met before
    """
    if _is_graphql_rate_limit(reply):
        return _until_reset(reply) or _SECONDARY_WAIT
    if reply.status not in (403, 429):
        return None
    asked = backoff.retry_after(reply.headers.get("retry-after"))
    if asked is not None:
        return asked
    if reply.headers.get("x-ratelimit-remaining") == "0":
        return _until_reset(reply) or _SECONDARY_WAIT
    if reply.status == 429 or "rate limit" in message_of(reply).lower():
        return backoff.delay(limited + 1, first=_SECONDARY_WAIT, jitter=0.0)
    return None


def _until_reset(reply: Reply) -> float | None:
    reset = number_in(reply.headers.get("x-ratelimit-reset"))
    # The reset may come at any moment of its second, so wait one second more.
    return None if reset is None else min(max(0.0, reset - time.time()) + 1.0, LONGEST_WAIT)


def errors_of(reply: Reply) -> list[Mapping[str, Any]]:
    """Return the errors of a GraphQL reply, in the form that GraphQL prescribes."""
    errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
    if not errors:
        return []
    listed = errors if isinstance(errors, list) else [errors]
    return [error if isinstance(error, Mapping) else {"message": str(error)} for error in listed]


def data_of(reply: Reply) -> dict[str, Any]:
    """Return the data of a GraphQL reply.

    :raises Gone: the repository or node does not exist
    :raises SourceError: there is no data
    """
    data = reply.data.get("data") if isinstance(reply.data, dict) else None
    errors = errors_of(reply)
    reason = one_line(errors[0].get("message") or "no reason given").rstrip(".") if errors else "there is no data in it"
    if isinstance(data, dict) and data and all(isinstance(part, dict) for part in data.values()):
        if errors:
            log.warning("GitHub leaves out parts of a GraphQL reply: %s", reason)
        return data
    if errors and errors[0].get("type") == "NOT_FOUND":
        raise Gone(f"GitHub refuses a GraphQL query: {reason}")
    raise SourceError(f"GitHub refuses a GraphQL query: {reason}")


def _is_graphql_rate_limit(reply: Reply) -> bool:
    errors = errors_of(reply)
    return bool(errors) and errors[0].get("type") in ("RATE_LIMITED", "RATE_LIMIT")


def is_transient(reply: Reply) -> bool:
    """Return whether a GraphQL error is transient: it has no type, only "Something went wrong while executing"."""
    errors = errors_of(reply) if reply.status == 200 else []
    return bool(errors) and ("Something went wrong" in str(errors[0].get("message")) or is_slow(reply))


def is_slow(reply: Reply) -> bool:
    """Return whether GitHub says that its time for the reply was over."""
    said = str(errors_of(reply)[0].get("message")) if errors_of(reply) else message_of(reply)
    return reply.status in _TIME_IS_OVER or any(words in said for words in _SLOW)


def number_in(text: str | None) -> int | None:
    """Return the number in a header; None if it is missing, or is not plain digits."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else None


def page_number(url: str) -> int:
    """Return the number of the page in the URL of a Link header."""
    return number_in(dict(parse_qsl(urlsplit(url).query)).get("page")) or 1
