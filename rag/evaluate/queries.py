"""Files of queries: a JSON object a line, `{"id", "query", "gold": [url, …]}`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError

__all__ = ["Query", "fingerprint", "read_queries", "write_queries"]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and the URLs that answer it. A gold that is no absolute URL matches by its last path part."""

    id: str
    text: str
    #: empty: nothing answers it, and an engine should say so; None: nobody has said yet what does
    gold: tuple[str, ...] | None
    #: documents that search does not see
    hide: tuple[str, ...] = ()
    #: nor anything that was written at this time or later
    before: datetime | None = None

    @property
    def is_blinded(self) -> bool:
        """Whether something is hidden from search."""
        return bool(self.hide or self.before)

    def to_json(self) -> dict[str, Any]:
        """Return the row of a file."""
        row: dict[str, Any] = {"id": self.id, "query": self.text, "gold": None if self.gold is None else [*self.gold]}
        if self.hide:
            row["hide"] = [*self.hide]
        if self.before:
            row["before"] = self.before.isoformat()
        return row


def read_queries(*paths: Path) -> list[Query]:
    """Read the queries of files.

    :raises ConfigurationError: a file is missing or holds no query, or a line is not of the form
    """
    return [query for path in paths for query in _read(path)]


def _read(path: Path) -> list[Query]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    queries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            queries.append(_query(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f'{path}, line {number}: expected {{"id", "query", "gold": [url, …]}}, and, if wanted, "hide" and '
                '"before": "2024-05-01".'
            ) from error
    if not queries:
        raise ConfigurationError(f"{path} holds no query.")
    return queries


def _query(row: dict[str, Any]) -> Query:
    before = datetime.fromisoformat(row["before"]) if row.get("before") else None
    return Query(
        id=str(row["id"]),
        text=str(row["query"]),
        gold=None if row["gold"] is None else _urls(row["gold"]),
        hide=_urls(row.get("hide", [])),
        before=before.replace(tzinfo=UTC) if before and before.tzinfo is None else before,
    )


def _urls(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(str, value))


def write_queries(path: Path, queries: Iterable[Query]) -> int:
    """Write a file of queries and return how many they are.

    :raises ConfigurationError: the file cannot be written
    """
    rows = [json.dumps(query.to_json(), ensure_ascii=False) + "\n" for query in queries]
    try:
        path.write_text("".join(rows), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
    return len(rows)


def fingerprint(queries: Sequence[Query], *, k: int) -> str:
    """Return what is the same for evaluations that can be compared: of the same rows, scored alike."""
    rows = json.dumps([k, *(query.to_json() for query in queries)], ensure_ascii=False)
    return hashlib.sha256(rows.encode(errors="replace")).hexdigest()
