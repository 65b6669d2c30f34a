"""Fetch addresses: within limits of size and time, with retries, at the pace that the site asks for."""

from __future__ import annotations

import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType

import httpx

from rag import __version__
from rag.sources.backoff import delay, retry_after
from rag.sources.docs.fetching.network import (
    AddressGuard,
    Deadline,
    ForbiddenAddressError,
    GuardedTransport,
    ProxyTransport,
    UnknownHostError,
    proxy_for,
)
from rag.text.lines import one_line

__all__ = ["USER_AGENT", "FetchError", "Fetched", "Fetcher", "Limits"]

USER_AGENT = f"support-engine/{__version__}"
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;,\"']+)", re.IGNORECASE)
#: A longer validator is not one that a server can want back.
_MAX_VALIDATOR = 1_000
_ACCEPT = "text/html, application/xhtml+xml, text/markdown;q=0.9, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a crawl. Sizes in bytes, times in seconds.

    :param concurrency: requests at a time
    :param body_bytes: the size of a body after decompression
    :param timeout: the time to connect, and between two parts of a response
    :param deadline: the time of one request from start to end
    :param attempts: how often a request is sent before the page fails
    :param backoff: the delay before the second attempt; see `rag.sources.backoff`
    :param retry_after: the longest wait that a server may ask for; beyond it the page fails
    :param reading: the processor time that reading one page may take
    """

    concurrency: int = 8
    body_bytes: int = 10_000_000
    timeout: float = 20.0
    deadline: float = 60.0
    attempts: int = 4
    backoff: float = 0.5
    retry_after: float = 120.0
    reading: float = 20.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response, with any status except those that are retried."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters; empty if the server sends none."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The encoding of the body that the server declares."""
        match = _CHARSET.search(self.headers.get("content-type", ""))
        return match[1] if match else None

    @property
    def etag(self) -> str | None:
        """The ETag, None if there is none that can be sent back."""
        return _validator(self.headers.get("etag"))

    @property
    def last_modified(self) -> str | None:
        """The time of the last change, None if there is none that can be sent back."""
        return _validator(self.headers.get("last-modified"))


class FetchError(Exception):
    """An address could not be read.

    :param transient: trying again later may help
    :param status: the HTTP status of the answer; None if there was no complete answer
    """

    def __init__(self, message: str, *, transient: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.transient = transient
        self.status = status


class Fetcher:
    """Fetches addresses, from several threads.

    :param trusted: hosts of the configuration; only they may have private addresses
    :param private: whether the address of each trusted host was private at the last sync
    :param transport: replaces the network
    """

    def __init__(
        self,
        *,
        trusted: Iterable[str] = (),
        private: Mapping[str, bool] | None = None,
        limits: Limits | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.requests = 0
        self._deadline = Deadline()
        self._guard = AddressGuard(trusted, private)
        self._transport = transport or GuardedTransport(
            guard=self._guard, connections=self.limits.concurrency, deadline=self._deadline
        )
        self._given = transport
        self._proxies: dict[str, httpx.BaseTransport] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._delay = 0.0
        self._free_at = 0.0

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop waiting and close the connections."""
        self._stop.set()
        for transport in (self._transport, *self._proxies.values()):
            transport.close()

    @property
    def private(self) -> dict[str, bool]:
        """Whether the address of each trusted host was private when it was first seen."""
        return self._guard.private

    def slow_down(self, seconds: float) -> None:
        """Leave at least this many seconds between the starts of two requests; a longer delay set before stays."""
        self._delay = max(self._delay, seconds)

    def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        max_bytes: int | None = None,
        accept: str | None = None,
        attempts: int | None = None,
        extra: Mapping[str, str] | None = None,
        wanted: Callable[[Fetched], bool] | None = None,
    ) -> Fetched:
        """Fetch an address; redirects are returned, not followed.

        :param etag: that of the known copy; the status is 304 if it still matches
        :param last_modified: that of the known copy, likewise
        :param max_bytes: replaces the limits' `body_bytes`
        :param accept: the Accept header; by default HTML is preferred
        :param attempts: replaces the limits' `attempts`
        :param extra: further headers of the request
        :param wanted: decides by the head of a successful response whether its body is read; else it stays empty
        :raises FetchError: there is no usable response after all attempts
        """
        headers = {"User-Agent": USER_AGENT, "Accept": accept or _ACCEPT, "Accept-Encoding": "gzip, deflate"}
        headers |= _conditions(etag, last_modified) | dict(extra or {})
        most = attempts or self.limits.attempts
        for attempt in range(1, most + 1):
            try:
                fetched = self._once(url, headers, max_bytes or self.limits.body_bytes, wanted)
            except FetchError as error:
                if not error.transient or attempt == most or self._stop.is_set():
                    raise
                wait = delay(attempt, first=self.limits.backoff)
            else:
                if fetched.status not in _TRANSIENT:
                    return fetched
                asked = retry_after(fetched.headers.get("retry-after"))
                if attempt == most or (asked or 0) > self.limits.retry_after or self._stop.is_set():
                    message = f"the server answers {_with_phrase(fetched.status)}"
                    raise FetchError(message, transient=True, status=fetched.status)
                wait = delay(attempt, first=self.limits.backoff) if asked is None else asked
                if fetched.status in (429, 503) and asked:
                    self._pause(asked)
            self._stop.wait(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, seconds: float) -> None:
        """Hold back all threads, since the server is busy for all of them."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)

    def _wait_for_turn(self) -> None:
        with self._lock:
            self.requests += 1
            now = time.monotonic()
            wait = self._free_at - now
            if self._delay:
                self._free_at = max(now, self._free_at) + self._delay
        if wait > 0:
            self._stop.wait(wait)
        if self._stop.is_set():
            raise FetchError("the crawl was stopped", transient=True)

    def _once(
        self, url: str, headers: dict[str, str], max_bytes: int, wanted: Callable[[Fetched], bool] | None
    ) -> Fetched:
        self._wait_for_turn()
        limit = self.limits.timeout
        timeouts = {"connect": limit, "read": limit, "write": limit, "pool": None}
        self._deadline.set(self.limits.deadline)
        ends = time.monotonic() + self.limits.deadline
        try:
            request = httpx.Request("GET", url, headers=headers, extensions={"timeout": timeouts})
            response = self._transport_for(request.url).handle_request(request)
            try:
                head = Fetched(url, response.status_code, response.headers, b"")
                is_read = response.status_code != 200 or wanted is None or wanted(head)
                body = self._read(response, max_bytes, ends) if is_read else b""
            finally:
                response.close()
        except UnknownHostError as error:
            raise FetchError(str(error), transient=False) from error
        except ForbiddenAddressError as error:
            raise FetchError(str(error), transient=False) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise FetchError(f"the address is invalid: {error}", transient=False) from error
        except httpx.TimeoutException as error:
            late = (
                f"{self.limits.deadline:g} s to answer in full"
                if time.monotonic() >= ends
                else f"{limit:g} s to answer"
            )
            raise FetchError(f"the server took longer than {late}", transient=True) from error
        except httpx.TransportError as error:
            raise _from_transport_error(error) from error
        return Fetched(url, response.status_code, response.headers, body)

    def _transport_for(self, url: httpx.URL) -> httpx.BaseTransport:
        proxy = None if self._given else proxy_for(url)
        if proxy is None:
            return self._transport
        with self._lock:
            if proxy not in self._proxies:
                self._proxies[proxy] = ProxyTransport(proxy, guard=self._guard, deadline=self._deadline)
            return self._proxies[proxy]

    def _read(self, response: httpx.Response, max_bytes: int, ends: float) -> bytes:
        if response.status_code in (204, 304):
            return b""
        announced = _announced(response)
        if announced is not None and announced > max_bytes:
            raise _too_large(max_bytes)
        if response.status_code >= 300:
            # The body of a redirect or error is not used; a short one is read so that the connection can be reused.
            if announced is not None and announced <= 65_536:
                for _ in response.iter_raw():
                    pass
            return b""
        parts: list[bytes] = []
        size = 0
        for part in _decoded(response, max_bytes):
            size += len(part)
            if size > max_bytes:
                raise _too_large(max_bytes)
            if time.monotonic() > ends:
                raise httpx.ReadTimeout("the deadline has passed", request=response.request)
            parts.append(part)
        return b"".join(parts)


def _validator(value: str | None) -> str | None:
    """Return an ETag or a date if it can be sent back to the server: in ASCII, and not endless."""
    is_usable = value and value.isascii() and value.isprintable() and len(value) <= _MAX_VALIDATOR
    return value if is_usable else None


def _conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """Return the headers of a request for a page only if it has changed."""
    values = {"If-None-Match": _validator(etag), "If-Modified-Since": _validator(last_modified)}
    return {name: value for name, value in values.items() if value}


def _announced(response: httpx.Response) -> int | None:
    """Return the length of the body that a response announces."""
    length = response.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def _decoded(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """Yield the decompressed body; at most a byte over `max_bytes` at once, so that a zip bomb stays small."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response.iter_raw()
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(f"the body is encoded as {encoding!r}, which was not asked for", transient=False)
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    first = True
    for raw in response.iter_raw():
        try:
            yield stream.decompress(raw, max_bytes + 1)
        except zlib.error as error:
            if not first or encoding != "deflate":
                raise FetchError(f"the body is not valid {encoding}", transient=False) from error
            stream = zlib.decompressobj(-zlib.MAX_WBITS)
            yield stream.decompress(raw, max_bytes + 1)
        first = False
        if stream.unconsumed_tail:
            raise _too_large(max_bytes)
    if not stream.eof:
        raise FetchError("the body broke off", transient=True)


def _too_large(max_bytes: int) -> FetchError:
    return FetchError(f"the body is larger than {max_bytes / 1e6:g} MB", transient=False)


def _with_phrase(status: int) -> str:
    phrase = httpx.codes.get_reason_phrase(status)
    return f"{status} {phrase}" if phrase else str(status)


def _from_transport_error(error: httpx.TransportError) -> FetchError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FetchError(f"its certificate is not valid: {cause.verify_message}", transient=False)
        cause = cause.__cause__ or cause.__context__
    said = one_line(error).partition(": bytearray(")[0]  # the bytes that are no HTTP
    return FetchError(f"the connection failed: {said or type(error).__name__}", transient=True)
