"""Access: who asks, what they may do, and how often.

Everything is open to this machine while the server listens on the loopback interface only. Anywhere else a request
needs an API key, or RAG_WEB_PUBLIC, which lets everybody ask and search.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.errors import RagError
from rag.net.hosts import host_name, is_loopback
from rag.operate.api_keys import SCOPES, ApiKey
from rag.operate.api_keys import Scope as Permission
from rag.web.guard.rates import Rates
from rag.web.replies import failure, failure_of

__all__ = ["Access", "Policy", "Visitor", "requires", "visitor_of"]

FindKey = Callable[[str], Awaitable[ApiKey | None]]

_PUBLIC: frozenset[Permission] = frozenset({"ask", "search"})
_NO_KEY = "An API key is needed: send Authorization: Bearer KEY. `python -m rag.web key add NAME` makes one."
#: Paths that tell nothing and cost nothing.
_OPEN = ("/static/", "/widget.js", "/healthz", "/openapi.json")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends a request."""

    #: under which requests are counted: a key, or an address
    name: str
    scopes: frozenset[Permission]
    has_key: bool = False
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may do what.

    :param is_open: whether the server listens on the loopback interface only
    :param is_public: whether everybody may ask and search
    :param origins: of the sites whose pages may use the API, such as https://docs.example.org; or "*"
    """

    is_open: bool
    is_public: bool = False
    origins: frozenset[str] = frozenset()


class Access:
    """ASGI middleware that finds out who asks, and refuses strangers' pages and too many requests."""

    def __init__(self, app: ASGIApp, *, policy: Policy, find_key: FindKey, rates: Rates) -> None:
        self._app = app
        self._policy = policy
        self._find_key = find_key
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request with its visitor, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(_OPEN):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._is_of_a_stranger(scope["method"], headers):
            sentence = "This site may not use the API; add its origin to RAG_WEB_ORIGINS."
            await failure(scope, 403, sentence)(scope, receive, send)
            return
        try:
            visitor = await self._visitor(scope, headers)
        except RagError as error:
            await failure_of(scope, error)(scope, receive, send)
            return
        wait = 0 if visitor.is_local else self._rates.wait(visitor.name)
        if wait:
            sentence = f"Too many requests; try again in {wait} s."
            await failure(scope, 429, sentence, {"Retry-After": str(wait)})(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = visitor
        await self._app(scope, receive, send)

    def _is_of_a_stranger(self, method: str, headers: Headers) -> bool:
        """Return whether a page of another site sends the request, other than by a link to this one."""
        origin = headers.get("origin", "")
        if origin in self._policy.origins or "*" in self._policy.origins:
            return False
        if origin and origin != "null":
            return host_and_port(origin) != headers.get("host", "").lower()
        site = headers.get("sec-fetch-site")
        if origin:  # a frame or a file, unless the browser says that it is a page of this server
            return site not in ("same-origin", "none")
        by_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        return site in ("cross-site", "same-site") and not by_link

    async def _visitor(self, scope: Scope, headers: Headers) -> Visitor:
        address = scope["client"][0] if scope.get("client") else ""
        if self._policy.is_open and is_loopback(address) and is_loopback(host_name(headers.get("host", ""))):
            return Visitor(address, frozenset(SCOPES), is_local=True)
        secret = _secret(headers)
        if secret:
            key = await self._find_key(secret)
            if key:
                return Visitor(f"key {key.name}", key.scopes, has_key=True)
        # An unknown key is nobody's, even where everybody may ask: a revoked key must not seem to work.
        scopes = _PUBLIC if self._policy.is_public and not secret else frozenset()
        return Visitor(_network(address), scopes)


def requires(*scopes: Permission, public: bool = True) -> Callable[[Request], None]:
    """Return a FastAPI dependency that refuses a visitor who has none of these scopes.

    :param public: whether the scopes that everybody has under RAG_WEB_PUBLIC count
    """

    def check(request: Request) -> None:
        visitor = visitor_of(request.scope)
        is_known = visitor.has_key or visitor.is_local
        if (is_known or public) and not visitor.scopes.isdisjoint(scopes):
            return
        if visitor.has_key:
            raise HTTPException(403, f"This key may not do that; it needs the scope {' or '.join(scopes)}.")
        raise HTTPException(401, _NO_KEY, {"WWW-Authenticate": "Bearer"})

    return check


def visitor_of(scope: Scope) -> Visitor:
    """Return who sends a request that `Access` has let through."""
    visitor: Visitor = scope["state"]["visitor"]
    return visitor


def host_and_port(origin: str) -> str:
    """Return the host of an origin as a Host header has it."""
    return origin.partition("://")[2].lower()


def _secret(headers: Headers) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _network(address: str) -> str:
    """Return what an address counts as: a household has a whole IPv6 network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode(errors="replace")).hexdigest()[:16]
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
