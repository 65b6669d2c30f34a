"""Failures of language models: which may pass, which mean that the prompt is too long, and what to tell the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.errors import ContextTooLong, LLMError
from rag.llm.replies import ReplyError, error_text, status_of
from rag.text.lines import one_line

if TYPE_CHECKING:
    import openai

__all__ = ["is_quota", "is_too_long", "may_pass", "server_message", "translating_errors"]

_SIZED = (
    r"tokens?|contexts?|context_length|prompts?|inputs?|(?:input|prompt)_(?:length|tokens)|length|n_tokens|n_ctx|messages?"
    r"|conversation"
)
_BEYOND = (
    r"exceed\w*|overflow\w*|too\s+(?:long|large|big|many)|(?:long|great|larg|bigg)er\s+than|more\s+than\s+(?:the|its)\s+max|fewer\s+than|must\s+have\s+less\s+than"
    r"|at\s+most\s+\d+\s+tokens|must\s+be\s+(?:<=?|≤|at\s+least\s+1\b)|(?:max|maximum)\s+(?:context|prompt|input|sequence|model|\d+\s+tokens)"
    r"|(?:above|over|beyond)\s+(?:the|its)\s+(?:[\w']+\s+)?limit|too_long|maxlength:?\s*\d+,\s*actual|maximum\s+supported|maximum\s+allowed|greater\s+than|window\s+(?:is\s+)?full\b|only\s+\d+\s+(?:tokens\s+)?fit"
    r"|(?:does\s+not|doesn't|cannot|can't|won't)\s+fit|limit[_\s]reached|(?:reduce|shorten)\s+(?:the|your)\s+(?:length|prompt|message|input|context)"
    r"|out\s+of\s+range|\)?\s*>=?\s*(?:n_ctx\b|max\b|\d{3,})|超长|超过|超出|過長|过长|too\s+short\s+for"
)
# How servers say that a prompt is too long: a word for its size near a word for a limit, or one of a few fixed names.
_TOO_LONG = re.compile(
    rf"\b(?:{_SIZED})\b.{{0,160}}?(?:{_BEYOND})|(?:{_BEYOND}).{{0,160}}?\b(?:{_SIZED})\b"
    r"|context[_ ]?(?:length|window|size)[_ ]?exceed|exceed_context_size|string_above_max_length|tokens_limit_reached"
    r"|(?:reduce|shorten)\s+(?:the|your)\s+(?:length|prompt|messages?|input)|request\s+(?:(?:body|entity)\s+)?(?:is\s+)?too\s+large|payload\s+too\s+large"
    r"|range\s+of\s+input\s+length|max_tokens\s+must\s+be\s+at\s+least",
    re.IGNORECASE | re.DOTALL,
)
# Messages about the length of the reply or about other settings: they do not say that the prompt is too long.
_NOT_THE_PROMPT = re.compile(
    r"\bmax(?:_completion|_output|_new)?_tokens\b.{0,40}\btoo\s+large\b(?!.{0,200}\bcontext\b)|\bstop\s+sequences?\b|\bmessages\[\d+\]\.name\b|\brate\s+limit\s+reached\b",
    re.IGNORECASE | re.DOTALL,
)
_TOO_LONG_STATUSES = frozenset({400, 413, 422, 424, 500})
# Of the request alone: it is beyond what the account may send in a minute, which waiting does not change.
_TOO_LONG_FOR_A_MINUTE = re.compile(r"\brequest\s+too\s+large\b.{0,200}\btokens?\b", re.IGNORECASE | re.DOTALL)
_LONGEST_MESSAGE = 1000
# What of it is shown.
_LONGEST_REASON = 200
_QUOTA = re.compile(
    r"insufficient[_ ](?:quota|balance|funds|credits?)|exceeded your current quota|credit balance|billing"
    r"|out of credits?|payment required|quota (?:is )?(?:exhausted|used up)",
    re.IGNORECASE,
)
_BUSY_STATUSES = frozenset({408, 409, 429})


def is_too_long(said: str) -> bool:
    """Return whether what a server says means that the prompt is longer than the language model reads."""
    said = said[:_LONGEST_MESSAGE]
    return bool(_TOO_LONG.search(said)) and not _NOT_THE_PROMPT.search(said)


def is_quota(error: openai.APIStatusError) -> bool:
    """Return whether the account has used up what it paid for, which no retry changes."""
    return error.status_code in (402, 403, 429) and bool(_QUOTA.search(_said(error)))


def may_pass(error: openai.OpenAIError) -> bool:
    """Return whether the same request may succeed a little later."""
    import openai

    match error:
        case openai.APITimeoutError():
            return False  # the user has waited long enough
        case openai.APIConnectionError():
            return True
        case openai.APIStatusError() if error.response.headers.get("x-should-retry") == "false":
            return False
        case openai.APIStatusError():
            is_busy = error.status_code in _BUSY_STATUSES or error.status_code >= 500
            return is_busy and not is_quota(error) and not _refuses_length(error)
        case _:
            return False


@contextmanager
def translating_errors(model: str) -> Iterator[None]:
    """Raise the errors of a language model as LLMError, with one sentence that says what to do.

    :raises ContextTooLong: the prompt does not fit the context window
    :raises LLMError: the server cannot be reached, refuses the request, or sends a reply that is not an answer
    """
    import httpx
    import openai

    try:
        yield
    except ReplyError as error:
        if is_too_long(error.said):
            raise _context_too_long(model) from error
        raise LLMError(f"{model} {error}") from error
    except openai.OpenAIError as error:
        if isinstance(error, openai.APIStatusError) and _refuses_length(error):
            raise _context_too_long(model) from error
        raise LLMError(_explanation(error, model)) from error
    except httpx.TimeoutException as error:
        raise LLMError(f"{model} did not answer in time. Set RAG_LLM_TIMEOUT to more seconds.") from error
    except httpx.HTTPError as error:
        raise LLMError(f"{model} stopped in the middle of its answer. Try again.") from error


def server_message(error: openai.APIStatusError) -> str:
    """Return the beginning of what a server says with a status, on one line."""
    said = one_line(error_text(error.body) or error.message)
    return "it sent a web page and no reason" if said.startswith("<") else said[:_LONGEST_REASON]


def _context_too_long(model: str) -> ContextTooLong:
    return ContextTooLong(
        f"The sources do not fit the context window of {model}. Set RAG_CONTEXT_WINDOW to its size in tokens, "
        "or answer from fewer chunks (--top-k)."
    )


def _refuses_length(error: openai.APIStatusError) -> bool:
    said = _said(error)
    if error.status_code == 429:
        return bool(_TOO_LONG_FOR_A_MINUTE.search(said[:_LONGEST_MESSAGE]))
    return error.status_code in _TOO_LONG_STATUSES and is_too_long(said)


def _said(error: openai.APIStatusError) -> str:
    """Return what the server says: its message and its codes, wherever they stand in the body."""
    return f"{error_text(error.body) or error.message} {status_of(error.body)} {error.code or ''}"


def _explanation(error: openai.OpenAIError, model: str) -> str:
    import openai

    match error:
        case openai.AuthenticationError():
            return f"{model} does not accept OPENAI_API_KEY. Check the key, or set RAG_LLM=extractive."
        case openai.APIStatusError() if is_quota(error):
            return f"{model} has no quota left. Add credit to the account, or set RAG_LLM=extractive."
        case openai.RateLimitError():
            return f"{model} is over its rate limit or quota, after retries. Wait, or set RAG_LLM=extractive."
        case openai.NotFoundError():
            return f"{model} is not known to the server. Check RAG_LLM and OPENAI_BASE_URL."
        case openai.APITimeoutError():
            return f"{model} did not answer in time. Set RAG_LLM_TIMEOUT to more seconds."
        case openai.APIConnectionError():
            return f"{model} cannot be reached. Check OPENAI_BASE_URL and the network."
        case openai.APIStatusError():
            return f"{model} refused the request with HTTP {error.status_code}: {server_message(error)}"
        case _:
            return f"{model} failed: {one_line(error)[:200]}"
