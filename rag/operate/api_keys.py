"""API keys: made once, kept as hashes, and checked with each request."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, get_args

from rag.errors import ConfigurationError
from rag.store.api_keys import ApiKeyRow
from rag.store.store import Store

__all__ = ["SCOPES", "ApiKey", "ApiKeys", "Scope"]

#: What a key may do: ask questions; search and read documents; rate answers and report problems; read the metrics.
Scope = Literal["ask", "search", "feedback", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

# Secret scanners recognise keys by their beginning.
_PREFIX = "rag_"
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret."""

    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    #: the day of its last use; None if it was never used
    used_on: date | None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.web key list --json` prints."""
        return {
            "name": self.name,
            "scopes": [scope for scope in SCOPES if scope in self.scopes],
            "created_at": self.created_at.isoformat(),
            "used_on": self.used_on.isoformat() if self.used_on else None,
        }


class ApiKeys:
    """The keys of the HTTP API."""

    def __init__(self, store: Store) -> None:
        self._keys = store.api_keys

    def add(self, name: str, scopes: Collection[Scope]) -> str:
        """Make a key and return its secret, which cannot be shown again.

        :raises ConfigurationError: the name is taken or malformed, or there is no scope
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} cannot name a key; use up to 63 letters, digits, dots and hyphens.")
        if not scopes:
            raise ConfigurationError(f"A key needs a scope: {', '.join(SCOPES)}.")
        secret = _PREFIX + secrets.token_urlsafe(_BYTES)
        if not self._keys.add(name, _digest(secret), [scope for scope in SCOPES if scope in scopes]):
            raise ConfigurationError(f"There is a key called {name!r} already. Revoke it, or choose another name.")
        return secret

    def all(self) -> list[ApiKey]:
        """Return every key, by name."""
        return [_key(row) for row in self._keys.all()]

    def find(self, secret: str) -> ApiKey | None:
        """Return the key with this secret; None if there is none."""
        row = self._keys.use(_digest(secret)) if secret.startswith(_PREFIX) else None
        return _key(row) if row else None

    def revoke(self, name: str) -> None:
        """Delete a key, which is refused from then on.

        :raises ConfigurationError: there is no such key
        """
        if not self._keys.delete(name):
            known = ", ".join(key.name for key in self.all()) or "none"
            raise ConfigurationError(f"There is no key called {name!r}; there are: {known}.")


def _digest(secret: str) -> bytes:
    # A random key of 256 bits cannot be guessed from its hash, so a fast hash does.
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _key(row: ApiKeyRow) -> ApiKey:
    known = frozenset(scope for scope in SCOPES if scope in row.scopes)
    return ApiKey(row.name, known, row.created_at, row.used_on)
