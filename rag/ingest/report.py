"""The outcome of a sync."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Failure", "SyncReport", "printable"]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be read, and why."""

    url: str
    error: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The outcome of one sync of one source; `seconds` is wall time."""

    name: str
    kind: str
    state: Literal["completed", "failed"]
    #: documents read so far, of which `seen` are committed
    fetched: int = 0
    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    chunks_added: int = 0
    chunks_deleted: int = 0
    embedded: int = 0
    #: sent to an embedding model that is paid by the token, estimated
    tokens: int = 0
    requests: int = 0
    seconds: float = 0.0
    errors: tuple[Failure, ...] = ()
    #: what the maintainer should know, although nothing failed
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `flows.ingest --json` prints for a source."""
        return {
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "documents": {
                "seen": self.seen,
                "added": self.added,
                "updated": self.updated,
                "unchanged": self.unchanged,
                "deleted": self.deleted,
                "failed": self.failed,
            },
            "chunks": {"added": self.chunks_added, "deleted": self.chunks_deleted},
            "embedded": self.embedded,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "errors": [{"url": failure.url, "error": failure.error} for failure in self.errors],
            "warnings": list(self.warnings),
        }


def printable(text: str) -> str:
    """Return a text that can be printed on any terminal: what cannot be is escaped."""
    encodable = text.encode("utf-8", "backslashreplace").decode()
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", encodable)
