"""API keys: their hashes and what each may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from rag.store.statements import Reads

__all__ = ["ApiKeyRow", "ApiKeys"]


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A key, without its secret."""

    name: str
    scopes: list[str]
    created_at: datetime
    #: the day of its last use; None if it was never used
    used_on: date | None


class ApiKeys(Reads):
    """The keys of the HTTP API."""

    def add(self, name: str, digest: bytes, scopes: Sequence[str]) -> bool:
        """Store a key; return False if the name is taken.

        :param digest: the hash of the secret, which itself is not stored
        """
        return self._change("add_api_key", {"name": name, "hash": digest, "scopes": list(scopes)}) > 0

    def all(self) -> list[ApiKeyRow]:
        """Return every key, by name."""
        return [ApiKeyRow(*row) for row in self._rows("api_keys", {})]

    def use(self, digest: bytes) -> ApiKeyRow | None:
        """Return the key with this hash, and record that it was used today; None if there is none."""
        rows = self._rows("use_api_key", {"hash": digest})
        return ApiKeyRow(*rows[0]) if rows else None

    def delete(self, name: str) -> bool:
        """Delete a key; return whether it existed."""
        return self._change("delete_api_key", {"name": name}) > 0
