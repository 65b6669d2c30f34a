"""GitHub's API through PyGithub: authentication, retries, rate limits, and error messages that say what to do."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import github
import requests
from github import Auth, GithubException
from requests.utils import parse_header_links

from rag.errors import ConfigurationError, SourceError, SourceUnavailable
from rag.sources import backoff
from rag.text.lines import one_line

__all__ = ["PER_PAGE", "GitHubClient", "Gone", "Reply", "RetryPolicy"]

log = logging.getLogger(__name__)

PER_PAGE = 100
_TIMEOUT = 30
#: GitHub asks to wait a minute, and longer each time, for a secondary rate limit without a Retry-After header.
_SECONDARY_WAIT = 60.0


class Gone(SourceError):  # noqa: N818 - named as HTTP names it
    """The requested resource does not exist, or no longer exists."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is sent again, and how long it may wait.

    :param attempts: how often a request is sent before it fails
    :param first_delay: the seconds before the second attempt; see `rag.sources.backoff`
    :param rate_limit: the seconds that a request may wait for rate limits in total
    """

    attempts: int = 6
    first_delay: float = 0.5
    rate_limit: float = 3900.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt`, from 1."""
        return backoff.delay(attempt, first=self.first_delay)


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


class _Credential:
    """A token, or anonymous access, and the time until which its rate limit is used up."""

    def __init__(self, auth: Auth.Auth | None, api_url: str) -> None:
        # PyGithub's own retries log nothing and do not wait on status 429. Its pauses between requests are not needed:
        # requests here are sequential, as GitHub asks, and the POSTs of GraphQL only read.
        self.requester = github.Github(
            auth=auth,
            base_url=api_url,
            timeout=_TIMEOUT,
            per_page=PER_PAGE,
            lazy=True,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
            user_agent="support-engine",
        ).requester
        self.blocked_until = 0.0


class GitHubClient:
    """Sends requests one after the other, with retries.

    :param token: a token; several tokens separated by commas, the next of which is used when the rate limit of one is
        used up; or `app:APP_ID:INSTALLATION_ID:PATH_OF_PRIVATE_KEY` for an installation of a GitHub App
    :param api_url: https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server
    :param count: called for each request that is sent
    :raises ConfigurationError: the private key of the GitHub App cannot be read
    """

    def __init__(
        self,
        *,
        token: str | None,
        api_url: str,
        retry: RetryPolicy | None = None,
        count: Callable[[], None] = lambda: None,
    ) -> None:
        self.authenticated = bool(token)
        self._api_url = api_url.rstrip("/")
        self._token = token
        self._retry = retry or RetryPolicy()
        self._count = count
        self._current = 0

    @cached_property
    def _credentials(self) -> Sequence[_Credential]:
        return [_Credential(auth, self._api_url) for auth in _authentications(self._token)]

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        for credential in self._credentials:
            credential.requester.close()

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None, *, etag: str | None = None) -> Reply:
        """Send a GET request.

        :param path: begins with a slash, or is a URL of a Link header
        :param etag: the ETag of an earlier response; the status is 304 if it still matches
        :raises Gone: the status is 404, 410 or 451
        :raises SourceError: GitHub refuses the request, for example its token
        :raises SourceUnavailable: GitHub cannot be reached, fails, or its rate limit lasts too long
        """
        headers = {"If-None-Match": etag} if etag else {}
        return self._send("GET", path, dict(parameters or {}), headers, None)

    def graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Send a GraphQL query and return its `data`.

        :raises Gone: the repository or node does not exist
        :raises SourceError: GitHub refuses the query
        :raises SourceUnavailable: as for `get`
        """
        url = self._credentials[0].requester.graphql_url
        reply = self._send("POST", url, {}, {}, {"query": query, "variables": dict(variables)})
        data: dict[str, Any] = reply.data["data"]
        return data

    def _send(
        self,
        verb: str,
        url: str,
        parameters: dict[str, str | int],
        headers: dict[str, str],
        body: object | None,
    ) -> Reply:
        attempt = limited = 0
        waited = 0.0
        while True:
            credential = self._credentials[self._current]
            attempt += 1
            self._count()
            try:
                status, reply_headers, text = credential.requester.requestJson(
                    verb, url, dict(parameters), dict(headers), body
                )
                reply = _parse(status, reply_headers, text)
            except requests.exceptions.SSLError as error:
                raise SourceError(
                    f"{self._api_url} shows a certificate that is not trusted: {_cause(error)}."
                ) from error
            except (requests.exceptions.RequestException, GithubException, RuntimeError, ValueError) as error:
                self._wait_before_retry(attempt, f"{self._api_url} cannot be read", _cause(error), error)
                continue
            if (wait := _rate_limit_wait(reply, limited)) is not None:
                attempt, limited = attempt - 1, limited + 1
                # A server may ask again and again for no wait at all: the delay grows nevertheless.
                credential.blocked_until = time.time() + max(wait, self._retry.delay(limited))
                waited += self._wait_for_rate_limit(waited)
                continue
            if reply.status >= 500 or _is_transient(reply):
                message = f"{_message(reply)} ({reply.status})"
                self._wait_before_retry(attempt, f"{self._api_url} fails", message, None)
                continue
            return self._checked(reply, url)

    def _wait_before_retry(self, attempt: int, problem: str, reason: str, error: Exception | None) -> None:
        """Wait before the next attempt.

        :raises SourceUnavailable: this was the last attempt
        """
        if attempt >= self._retry.attempts:
            raise SourceUnavailable(f"{problem}: {reason}. Tried {attempt} times; try again later.") from error
        delay = self._retry.delay(attempt)
        log.info("%s: %s; attempt %d follows in %.1f s", problem, reason, attempt + 1, delay)
        time.sleep(delay)

    def _wait_for_rate_limit(self, waited: float) -> float:
        """Select the token that is available first, and wait until it is; return the seconds waited.

        :param waited: the seconds that the request has waited before
        :raises SourceUnavailable: the wait would exceed the limit of the retry policy
        """
        now = time.time()
        self._current = min(range(len(self._credentials)), key=lambda i: self._credentials[i].blocked_until)
        wait = self._credentials[self._current].blocked_until - now
        if wait <= 0:
            return 0.0
        until = f"{datetime.fromtimestamp(now + wait, UTC):%H:%M:%S} UTC"
        hint = "" if self.authenticated else " With a GITHUB_TOKEN it is 5,000 requests an hour instead of 60."
        if waited + wait > self._retry.rate_limit:
            raise SourceUnavailable(f"GitHub's rate limit is used up until {until}.{hint}")
        level = logging.WARNING if wait >= 0.5 else logging.DEBUG
        log.log(level, "GitHub's rate limit: waiting %.0f s, until %s.%s", wait, until, hint)
        time.sleep(wait)
        return wait

    def _checked(self, reply: Reply, url: str) -> Reply:
        if reply.status == 401:
            raise SourceError(
                f"{self._api_url} does not accept GITHUB_TOKEN: {_message(reply)}. Create a new token in GitHub's "
                "settings under Developer settings, or unset it to read public repositories without a token."
                if self.authenticated
                else f"{self._api_url} requires a token: set GITHUB_TOKEN."
            )
        if reply.status in (404, 410, 451):
            raise Gone(f"{self._api_url} has no {url}: {_message(reply)} ({reply.status}).")
        if reply.status >= 400:
            raise SourceError(f"GitHub refuses {url}: {_message(reply)} ({reply.status}).")
        if reply.status != 304 and not isinstance(reply.data, dict | list):
            raise SourceError(
                f"{self._api_url} does not answer like GitHub's API. Check RAG_GITHUB_API_URL; for GitHub Enterprise "
                "Server it is https://HOST/api/v3."
            )
        if isinstance(reply.data, dict) and reply.data.get("errors"):
            first = reply.data["errors"][0]
            kind = Gone if first.get("type") == "NOT_FOUND" else SourceError
            raise kind(f"GitHub refuses a GraphQL query: {first.get('message')}")
        return reply

    def warn_about_duration(self, reply: Reply, listing: str) -> None:
        """Log how long a listing takes without a token, if its pages exceed the rest of the rate limit.

        :param reply: its first page
        :param listing: its name in the message
        """
        last = reply.link("last")
        remaining = reply.headers.get("x-ratelimit-remaining", "")
        if self.authenticated or not last or not remaining.isdigit():
            return
        pages = _page_number(last)
        if pages > int(remaining):
            hourly = int(reply.headers.get("x-ratelimit-limit", 60))
            log.warning(
                "%s: %d requests to send, %d an hour without a token: about %.1f hours. Set GITHUB_TOKEN.",
                listing,
                pages,
                hourly,
                pages / max(hourly, 1),
            )


def _authentications(token: str | None) -> list[Auth.Auth | None]:
    if not token:
        return [None]
    if token.startswith("app:"):
        return [_app(token)]
    return [Auth.Token(part.strip()) for part in token.split(",") if part.strip()]


def _app(token: str) -> Auth.Auth:
    try:
        _, app, installation, path = token.split(":", 3)
        key = Path(path).expanduser().read_text(encoding="utf-8")
        return Auth.AppInstallationAuth(Auth.AppAuth(int(app), key), int(installation))
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            f"GITHUB_TOKEN names a GitHub App, app:APP_ID:INSTALLATION_ID:PATH_OF_PRIVATE_KEY, but {_cause(error)}."
        ) from error


def _parse(status: int, headers: Mapping[str, str], text: str) -> Reply:
    """Return a response as a reply.

    :raises ValueError: its JSON is incomplete
    """
    data: Any = text
    if not text:
        data = None
    elif text.lstrip()[:1] in ("{", "["):
        data = json.loads(text)
    return Reply(status, headers, data)


def _message(reply: Reply) -> str:
    message = reply.data.get("message") if isinstance(reply.data, dict) else None
    return str(message or "no reason given").rstrip(".")


def _cause(error: BaseException) -> str:
    """Return the message of the innermost cause, on one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return one_line(error).rstrip(".") or type(error).__name__


def _rate_limit_wait(reply: Reply, limited: int) -> float | None:
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
    if reply.status == 429 or "rate limit" in _message(reply).lower():
        return backoff.delay(limited + 1, first=_SECONDARY_WAIT, jitter=0.0)
    return None


def _until_reset(reply: Reply) -> float | None:
    reset = reply.headers.get("x-ratelimit-reset", "")
    # The reset may come at any moment of its second, so wait one second more.
    return max(0.0, float(reset) - time.time()) + 1.0 if reset.isdigit() else None


def _is_graphql_rate_limit(reply: Reply) -> bool:
    errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
    return bool(errors) and isinstance(errors, list) and errors[0].get("type") in ("RATE_LIMITED", "RATE_LIMIT")


def _is_transient(reply: Reply) -> bool:
    """Return whether a GraphQL error is transient: it has no type, only "Something went wrong while executing"."""
    errors = reply.data.get("errors") if isinstance(reply.data, dict) and reply.status == 200 else None
    return isinstance(errors, list) and bool(errors) and "Something went wrong" in str(errors[0].get("message"))


def _page_number(url: str) -> int:
    return int(dict(parse_qsl(urlsplit(url).query)).get("page", 1))
