"""GitHub's API through PyGithub: authentication, retries, rate limits, and error messages that say what to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import github
import requests
from github import Auth, GithubException
from urllib3.util import Retry

from rag.errors import ConfigurationError, SourceError, SourceUnavailable
from rag.sources import backoff
from rag.sources.github.bounded import bound
from rag.sources.github.replies import (
    LONGEST_WAIT,
    Gone,
    PageRefused,
    Reply,
    TooLarge,
    cause_of,
    data_of,
    is_slow,
    is_transient,
    message_of,
    number_in,
    page_number,
    parsed,
    rate_limit_wait,
)

__all__ = [
    "PAGE_SIZES",
    "PER_PAGE",
    "GitHubClient",
    "Gone",
    "PageRefused",
    "Reply",
    "RetryPolicy",
    "TooLarge",
    "authentications",
]

log = logging.getLogger(__name__)

PER_PAGE = 100
#: The sizes of a page that are asked for one after the other, if GitHub does not finish a larger one in time.
PAGE_SIZES = (PER_PAGE, 25, 5, 1)
# 202, with which GitHub says that it is still at work, would make PyGithub ask again for ever.
_NO_RETRY = Retry(0, read=False, status_forcelist=[202], allowed_methods=None, respect_retry_after_header=False)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is sent again, and how long it may wait.

    :param attempts: how often a request is sent before it fails
    :param first_delay: the seconds before the second attempt; see `rag.sources.backoff`
    :param rate_limit: the seconds that a request may wait for rate limits in total
    :param timeout: the seconds to connect, and between two parts of a reply; a whole reply may take twice as long
    """

    attempts: int = 6
    first_delay: float = 0.5
    rate_limit: float = 3900.0
    timeout: int = 30

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt`, from 1."""
        return backoff.delay(attempt, first=self.first_delay)


class _Credential:
    """A token, or anonymous access, and the time until which its rate limit is used up."""

    def __init__(self, auth: Auth.Auth | None, api_url: str, timeout: int) -> None:
        # PyGithub's own retries log nothing and do not wait on status 429. Its pauses between requests are not needed:
        # requests here are sequential, as GitHub asks, and the POSTs of GraphQL only read.
        self.requester = github.Github(
            auth=auth,
            base_url=api_url,
            timeout=timeout,
            per_page=PER_PAGE,
            lazy=True,
            retry=_NO_RETRY,
            seconds_between_requests=0,
            seconds_between_writes=0,
            user_agent="support-engine",
        ).requester
        bound(self.requester)
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
        return [_Credential(auth, self._api_url, self._retry.timeout) for auth in authentications(self._token)]

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        for credential in self._credentials:
            credential.requester.close()

    def get(
        self,
        path: str,
        parameters: Mapping[str, str | int] | None = None,
        *,
        etag: str | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """Send a GET request.

        :param path: begins with a slash, or is a URL of a Link header
        :param etag: the ETag of an earlier response; the status is 304 if it still matches
        :param attempts: how often to send it, instead of the number of the retry policy
        :raises Gone: the status is 404, 410 or 451
        :raises PageRefused: the number of the page is too high for a large listing
        :raises SourceError: GitHub refuses the request, for example its token
        :raises TooLarge: GitHub does not finish the reply in time
        :raises SourceUnavailable: GitHub cannot be reached, fails, or its rate limit lasts too long
        """
        headers = {"If-None-Match": etag} if etag else {}
        return self._send("GET", path, dict(parameters or {}), headers, None, attempts)

    def graphql(self, query: str, variables: Mapping[str, Any], *, attempts: int | None = None) -> dict[str, Any]:
        """Send a GraphQL query and return its `data`; fields that the token may not read are None in it.

        :param attempts: how often to send it, instead of the number of the retry policy
        :raises Gone: the repository or node does not exist
        :raises SourceError: GitHub refuses the query
        :raises TooLarge: GitHub does not finish the reply in time
        :raises SourceUnavailable: as for `get`
        """
        url = self._credentials[0].requester.graphql_url
        body = {"query": query, "variables": dict(variables)}
        reply = self._send("POST", url, {}, {}, body, attempts)
        return data_of(reply)

    def in_smaller_pages(self, ask: Callable[[int, int | None], T]) -> T:
        """Return the reply to a request for a page, a smaller one if GitHub does not finish it in time.

        :param ask: gets the size of the page, and how often to send the request
        :raises TooLarge: GitHub does not even finish the smallest page in time
        """
        for size in PAGE_SIZES[:-1]:
            try:
                return ask(size, max(1, self._retry.attempts // 2))
            except TooLarge as error:
                log.info("a page of %d is too large: %s", size, error)
        return ask(PAGE_SIZES[-1], None)

    def _send(
        self,
        verb: str,
        url: str,
        parameters: dict[str, str | int],
        headers: dict[str, str],
        body: object | None,
        attempts: int | None,
    ) -> Reply:
        attempt = limited = 0
        waited = 0.0
        while True:
            credential = self._credentials[self._current]
            attempt += 1
            self._count()
            last = attempt >= (attempts or self._retry.attempts)
            try:
                status, reply_headers, text = credential.requester.requestJson(
                    verb, url, dict(parameters), dict(headers), body
                )
                reply = parsed(status, reply_headers, text)
            except requests.exceptions.SSLError as error:
                said = f"{self._api_url} shows a certificate that is not trusted: {cause_of(error)}."
                raise SourceError(said) from error
            except (requests.exceptions.RequestException, GithubException, RuntimeError, ValueError) as error:
                slow = isinstance(error, requests.exceptions.ReadTimeout)
                self._wait_before_retry(attempt, "cannot be read", cause_of(error), error, last=last, slow=slow)
                continue
            if (wait := rate_limit_wait(reply, limited)) is not None:
                attempt, limited = attempt - 1, limited + 1
                # A server may ask again and again for no wait at all: the delay grows nevertheless.
                credential.blocked_until = time.time() + max(wait, self._retry.delay(limited))
                waited += self._wait_for_rate_limit(waited)
                continue
            if reply.status >= 500 or is_transient(reply):
                reason, slow = f"{message_of(reply)} ({reply.status})", is_slow(reply)
                self._wait_before_retry(attempt, "fails", reason, None, last=last, slow=slow)
                continue
            return self._checked(reply, url, is_conditional="If-None-Match" in headers)

    def _wait_before_retry(
        self, attempt: int, problem: str, reason: str, error: Exception | None, *, last: bool, slow: bool
    ) -> None:
        """Wait before the next attempt.

        :raises TooLarge: this was the last attempt, and the reply took too long
        :raises SourceUnavailable: this was the last attempt
        """
        if last:
            kind = TooLarge if slow else SourceUnavailable
            tried = "once" if attempt == 1 else f"{attempt} times"
            raise kind(f"{self._api_url} {problem}: {reason}. Tried {tried}; try again later.") from error
        delay = self._retry.delay(attempt)
        log.info("%s %s: %s; attempt %d follows in %.1f s", self._api_url, problem, reason, attempt + 1, delay)
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
        until = f"{datetime.fromtimestamp(now + min(wait, LONGEST_WAIT), UTC):%H:%M:%S} UTC"
        hint = "" if self.authenticated else " With a GITHUB_TOKEN it is 5,000 requests an hour instead of 60."
        if waited + wait > self._retry.rate_limit:
            raise SourceUnavailable(f"GitHub's rate limit is used up until {until}.{hint}")
        level = logging.WARNING if wait >= 0.5 else logging.DEBUG
        log.log(level, "GitHub's rate limit: waiting %.0f s, until %s.%s", wait, until, hint)
        time.sleep(wait)
        return wait

    def _checked(self, reply: Reply, url: str, *, is_conditional: bool) -> Reply:
        if reply.status == 401:
            raise SourceError(
                f"{self._api_url} does not accept GITHUB_TOKEN: {message_of(reply)}. Create a new token in GitHub's "
                "settings under Developer settings, or unset it to read public repositories without a token."
                if self.authenticated
                else f"{self._api_url} requires a token: set GITHUB_TOKEN."
            )
        if reply.status in (404, 410, 451):
            said = f"{self._api_url} has no {url}: {message_of(reply)} ({reply.status})."
            raise Gone(said, switched_off=reply.status == 410)
        if reply.status == 422 and "page" in message_of(reply).lower():
            raise PageRefused(f"GitHub refuses {url}: {message_of(reply)} (422).")
        if reply.status >= 400:
            raise SourceError(f"GitHub refuses {url}: {message_of(reply)} ({reply.status}).")
        is_unchanged = reply.status == 304 and is_conditional
        if not is_unchanged and not isinstance(reply.data, dict | list):
            raise SourceError(
                f"{self._api_url} does not answer like GitHub's API. Check RAG_GITHUB_API_URL; for GitHub Enterprise "
                "Server it is https://HOST/api/v3."
            )
        return reply

    def warn_about_duration(self, reply: Reply, listing: str) -> None:
        """Log how long a listing takes without a token, if its pages exceed the rest of the rate limit.

        :param reply: its first page
        :param listing: its name in the message
        """
        last = reply.link("last")
        remaining = number_in(reply.headers.get("x-ratelimit-remaining"))
        if self.authenticated or not last or remaining is None:
            return
        pages = page_number(last)
        if pages > remaining:
            hourly = number_in(reply.headers.get("x-ratelimit-limit")) or 60
            log.warning(
                "%s: %d requests to send, %d an hour without a token: about %.1f hours. Set GITHUB_TOKEN.",
                listing,
                pages,
                hourly,
                pages / max(hourly, 1),
            )


def authentications(token: str | None) -> list[Auth.Auth | None]:
    """Return how each token of GITHUB_TOKEN is sent; without a token, requests are anonymous.

    :raises ConfigurationError: the private key of the GitHub App cannot be read
    """
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
            f"GITHUB_TOKEN names a GitHub App, app:APP_ID:INSTALLATION_ID:PATH_OF_PRIVATE_KEY, but {cause_of(error)}."
        ) from error
