"""Files of queries: a JSON object a line, `{"id", "query", "gold": [url, …]}`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError, reason_of

__all__ = ["Query", "fingerprint", "read_queries", "write_queries"]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and the gold URLs that answer it. A gold without a scheme matches URLs by their last path segment."""

    id: str
    text: str
    #: empty: unanswerable, the engine should abstain; None: not known yet
    gold: tuple[str, ...] | None
    #: URLs of documents to exclude from search
    hide: tuple[str, ...] = ()
    #: exclude everything written at this time or later
    before: datetime | None = None
    #: lists of alternatives; an answer is right if it holds one of each
    facts: tuple[tuple[str, ...], ...] = ()
    #: strings that show that an answer is wrong
    wrong: tuple[str, ...] = ()
    #: what the question asks for, such as "how-to"; only shown
    kind: str = ""

    @property
    def is_blinded(self) -> bool:
        """Whether the query excludes anything from search."""
        return bool(self.hide or self.before)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a query file."""
        row: dict[str, Any] = {"id": self.id, "query": self.text, "gold": None if self.gold is None else [*self.gold]}
        if self.hide:
            row["hide"] = [*self.hide]
        if self.before:
            row["before"] = self.before.isoformat()
        if self.kind:
            row["kind"] = self.kind
        if self.facts:
            row["facts"] = [[*fact] for fact in self.facts]
        if self.wrong:
            row["wrong"] = [*self.wrong]
        return row


def read_queries(*paths: Path) -> list[Query]:
    """Read query files.

    :raises ConfigurationError: a file is missing or has no query, or a line is invalid
    """
    return [query for path in paths for query in _read(path)]


def _read(path: Path) -> list[Query]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}.") from error
    queries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            queries.append(_query(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f'{path}, line {number}: expected {{"id", "query", "gold": [url, …]}}, with the optional keys "hide": '
                '[url, …], "before": "2024-05-01", "facts": [[text, …], …] and "wrong": [text, …].'
            ) from error
    if not queries:
        raise ConfigurationError(f"{path} has no query.")
    return queries


def _query(row: dict[str, Any]) -> Query:
    before = datetime.fromisoformat(row["before"]) if row.get("before") else None
    return Query(
        id=str(row["id"]),
        text=str(row["query"]),
        gold=None if row["gold"] is None else _texts(row["gold"]),
        hide=_texts(row.get("hide", [])),
        before=before.replace(tzinfo=UTC) if before and before.tzinfo is None else before,
        facts=tuple(_texts(fact) for fact in row.get("facts") or ()),
        wrong=_texts(row.get("wrong") or []),
        kind=str(row.get("kind") or ""),
    )


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(str, value))


def write_queries(path: Path, queries: Iterable[Query]) -> int:
    """Write a query file and return the number of queries.

    :raises ConfigurationError: the file cannot be written
    """
    rows = [json.dumps(query.to_json(), ensure_ascii=False) + "\n" for query in queries]
    try:
        path.write_text("".join(rows), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {reason_of(error)}.") from error
    return len(rows)


def fingerprint(queries: Sequence[Query], *, k: int) -> str:
    """Return a digest that is equal for comparable evaluations: the same queries and the same `k`."""
    rows = json.dumps([k, *(query.to_json() for query in queries)], ensure_ascii=False)
    return hashlib.sha256(rows.encode(errors="replace")).hexdigest()
