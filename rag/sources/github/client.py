"""GitHub's API through PyGithub: authentication, retries, rate limits, and errors that say what to do."""

from __future__ import annotations

import json
import logging
import random
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

__all__ = ["PER_PAGE", "GitHubClient", "Gone", "Patience", "Reply"]

log = logging.getLogger(__name__)

PER_PAGE = 100
_TIMEOUT = 30
#: GitHub asks for this where a secondary limit comes without a Retry-After.
_SECONDARY_WAIT = 60.0


class Gone(SourceError):  # noqa: N818 - named as HTTP names it
    """What was asked for is not, or no longer, there."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to insist.

    :param attempts: how often one request is sent before giving up
    :param first_delay: seconds before the second attempt; doubled each time, and jittered
    :param rate_limit: seconds that one request may wait for a rate limit, all its waits together
    """

    attempts: int = 6
    first_delay: float = 0.5
    rate_limit: float = 3900.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt`, from 1: exponential, from half to all of it."""
        return self.first_delay * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: `data` is the JSON, None for a 304; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    data: Any

    def link(self, relation: str) -> str | None:
        """Return the URL of a page, such as "next", from the Link header."""
        links = parse_header_links(self.headers.get("link", ""))
        return next((link["url"] for link in links if link.get("rel") == relation), None)


class _Credential:
    """A token, or none, with what GitHub last said of its quota."""

    def __init__(self, auth: Auth.Auth | None, api_url: str) -> None:
        # PyGithub's own retry would wait without a word, and not at all on a 429; requests here are sequential, which
        # is all that GitHub asks for, and the POSTs of GraphQL are reads.
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
    """Sends requests one after the other, each as often as it takes.

    :param token: a token, several separated by commas (the next is used when one's quota is used up), or
        `app:APP_ID:INSTALLATION_ID:PATH_OF_PRIVATE_KEY` for an installation of a GitHub App
    :param api_url: https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server
    :param count: called for each request that is sent
    :raises ConfigurationError: the token is an app whose private key cannot be read
    """

    def __init__(
        self,
        *,
        token: str | None,
        api_url: str,
        patience: Patience | None = None,
        count: Callable[[], None] = lambda: None,
    ) -> None:
        self.authenticated = bool(token)
        self._api_url = api_url.rstrip("/")
        self._token = token
        self._patience = patience or Patience()
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
        """Send a GET; `path` begins with a slash, or is the URL of a Link header.

        :param etag: what an earlier reply carried; the status is 304 if that one still holds
        :raises Gone: 404, 410 or 451
        :raises SourceError: GitHub refuses, for example the token
        :raises SourceUnavailable: GitHub cannot be reached, is down, or its rate limit lasts too long
        """
        headers = {"If-None-Match": etag} if etag else {}
        return self._send("GET", path, dict(parameters or {}), headers, None)

    def graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Send a GraphQL query and return its `data`.

        :raises Gone: the repository or node is not there
        :raises SourceError: GitHub refuses
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
                self._again(attempt, f"{self._api_url} cannot be read", _cause(error), error)
                continue
            if (wait := _rate_limit_wait(reply, limited)) is not None:
                attempt, limited = attempt - 1, limited + 1
                # A server that says "at once" over and over is not taken at its word.
                credential.blocked_until = time.time() + max(wait, self._patience.delay(limited))
                waited += self._wait(waited)
                continue
            if reply.status >= 500 or _is_passing(reply):
                self._again(attempt, f"{self._api_url} fails", f"{_message(reply)} ({reply.status})", None)
                continue
            return self._checked(reply, url)

    def _again(self, attempt: int, what: str, why: str, error: Exception | None) -> None:
        """Wait for the next attempt.

        :raises SourceUnavailable: that was the last one
        """
        if attempt >= self._patience.attempts:
            raise SourceUnavailable(f"{what}: {why}. Tried {attempt} times; try again later.") from error
        delay = self._patience.delay(attempt)
        log.info("%s: %s; attempt %d follows in %.1f s", what, why, attempt + 1, delay)
        time.sleep(delay)

    def _wait(self, waited: float) -> float:
        """Go on with the token that is free first, and wait until it is; return the seconds waited.

        :raises SourceUnavailable: it would take longer than patience allows
        """
        now = time.time()
        self._current = min(range(len(self._credentials)), key=lambda i: self._credentials[i].blocked_until)
        wait = self._credentials[self._current].blocked_until - now
        if wait <= 0:
            return 0.0
        until = f"{datetime.fromtimestamp(now + wait, UTC):%H:%M:%S} UTC"
        hint = "" if self.authenticated else " With a GITHUB_TOKEN it is 5,000 requests an hour instead of 60."
        if waited + wait > self._patience.rate_limit:
            raise SourceUnavailable(f"GitHub's rate limit is used up until {until}.{hint}")
        level = logging.WARNING if wait >= 0.5 else logging.DEBUG
        log.log(level, "GitHub's rate limit: waiting %.0f s, until %s.%s", wait, until, hint)
        time.sleep(wait)
        return wait

    def _checked(self, reply: Reply, url: str) -> Reply:
        if reply.status == 401:
            raise SourceError(
                f"GITHUB_TOKEN is not accepted by {self._api_url}: {_message(reply)}. Make a new one in GitHub's "
                "settings under Developer settings, or unset it to read public repositories without one."
                if self.authenticated
                else f"{self._api_url} wants a token: set GITHUB_TOKEN."
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

    def warn_of_duration(self, reply: Reply, what: str) -> None:
        """Say how long a listing will take where there is no token and its pages exceed what is left of the quota."""
        last = reply.link("last")
        remaining = reply.headers.get("x-ratelimit-remaining", "")
        if self.authenticated or not last or not remaining.isdigit():
            return
        pages = _page_number(last)
        if pages > int(remaining):
            hourly = int(reply.headers.get("x-ratelimit-limit", 60))
            log.warning(
                "%s: %d requests to come, and %d an hour without a token: about %.1f hours. Set GITHUB_TOKEN.",
                what,
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
    """Return the reply.

    :raises ValueError: the JSON broke off
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
    """Return the innermost reason, in a line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _rate_limit_wait(reply: Reply, limited: int) -> float | None:
    """Return how many seconds a rate limit asks for, after `limited` others on this request; None if it is not one."""
    if _is_graphql_rate_limit(reply):
        return _until_reset(reply) or _SECONDARY_WAIT
    if reply.status not in (403, 429):
        return None
    retry_after = reply.headers.get("retry-after", "")
    if retry_after.isdigit():
        return float(retry_after)
    if reply.headers.get("x-ratelimit-remaining") == "0":
        return _until_reset(reply) or _SECONDARY_WAIT
    if reply.status == 429 or "rate limit" in _message(reply).lower():
        return _SECONDARY_WAIT * 2.0**limited
    return None


def _until_reset(reply: Reply) -> float | None:
    reset = reply.headers.get("x-ratelimit-reset", "")
    # A second more, since the reset may come anywhere in its second.
    return max(0.0, float(reset) - time.time()) + 1.0 if reset.isdigit() else None


def _is_graphql_rate_limit(reply: Reply) -> bool:
    errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
    return bool(errors) and isinstance(errors, list) and errors[0].get("type") in ("RATE_LIMITED", "RATE_LIMIT")


def _is_passing(reply: Reply) -> bool:
    """Tell a GraphQL error that goes away by itself: it has no type, as "Something went wrong while executing"."""
    errors = reply.data.get("errors") if isinstance(reply.data, dict) and reply.status == 200 else None
    return isinstance(errors, list) and bool(errors) and "Something went wrong" in str(errors[0].get("message"))


def _page_number(url: str) -> int:
    return int(dict(parse_qsl(urlsplit(url).query)).get("page", 1))
