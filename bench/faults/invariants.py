"""Invariants of a database: they hold at every moment, whichever process was killed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

__all__ = ["Allowed", "digest", "documents", "violations"]

Document = tuple[str, tuple[str, ...]]
Connection = psycopg.Connection[tuple[Any, ...]]

_DOCUMENTS = """
SELECT d.id, d.hash, coalesce(array_agg(c.node_id ORDER BY c.ordinal) FILTER (WHERE c.node_id IS NOT NULL), '{{}}')
FROM documents d LEFT JOIN {chunks} c ON c.document_id = d.id GROUP BY d.id
"""
# Each returns no row if all is well.
_RULES = {
    "an ordinal of a document is there twice": """
        SELECT document_id, ordinal FROM {chunks} GROUP BY 1, 2 HAVING count(*) > 1""",
    "the statistics count other chunks than there are": """
        SELECT source FROM (SELECT source, count(*) AS n FROM {chunks} GROUP BY 1) c
        FULL JOIN (SELECT source, chunks AS n FROM index_statistics WHERE index_name = {name} AND chunks > 0) s USING (source)
        WHERE c.n IS DISTINCT FROM s.n""",
    "the statistics count other terms than there are": """
        SELECT source FROM (
            SELECT source, sum((SELECT coalesce(sum(cardinality(u.positions)), 0) FROM unnest(text_search_tsv) u)) AS n
            FROM {chunks} GROUP BY 1) c
        JOIN index_statistics s USING (source) WHERE s.index_name = {name} AND s.terms <> c.n""",
    "the postings of a term are not those of its chunks": """
        WITH posted AS (
            SELECT term, entry >> 24 AS chunk, sum(sign(chunks)) AS times
            FROM {postings}, unnest(entries) entry GROUP BY 1, 2 HAVING sum(sign(chunks)) <> 0
        ), wanted AS (
            SELECT hashtextextended(u.lexeme, 0) AS term, c.id AS chunk
            FROM {chunks} c, unnest(c.text_search_tsv) u WHERE c.id NOT IN (SELECT chunk FROM {fresh})
        )
        SELECT term FROM posted FULL JOIN wanted USING (term, chunk)
        WHERE posted.times IS DISTINCT FROM 1 OR wanted.chunk IS NULL""",
    "a queued chunk is gone": "SELECT chunk FROM {fresh} WHERE chunk NOT IN (SELECT id FROM {chunks})",
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """The whole forms of each document: before an operation and after it, as (hash, node ids)."""

    forms: Mapping[str, frozenset[Document | None]]

    @classmethod
    def of(cls, *states: Mapping[str, Document]) -> Allowed:
        """Return the forms of these states; a document may also be missing if it is missing in one of them."""
        names = {name for state in states for name in state}
        return cls({name: frozenset(state.get(name) for state in states) for name in names})


def documents(dsn: str) -> dict[str, Document]:
    """Return the documents with the chunks that the active index holds of them."""
    with psycopg.connect(dsn) as connection:
        return _documents(connection)


def _documents(connection: Connection) -> dict[str, Document]:
    index = _active(connection)
    if index is None:
        return {}
    rows = connection.execute(sql.SQL(_DOCUMENTS).format(**_names(index))).fetchall()
    return {name: (hash_, tuple(nodes)) for name, hash_, nodes in rows}


def violations(dsn: str, allowed: Allowed) -> list[str]:
    """Return what does not hold, one line each."""
    with psycopg.connect(dsn) as connection:
        return violations_in(connection, allowed)


def violations_in(connection: Connection, allowed: Allowed) -> list[str]:
    """Return what does not hold as a connection sees it, its own changes included."""
    found = [
        f"{name} is half written"
        for name, document in _documents(connection).items()
        if document not in allowed.forms.get(name, ())
    ]
    index = _active(connection)
    if index is None:
        return found
    for rule, query in _RULES.items():
        if connection.execute(sql.SQL(query).format(**_names(index))).fetchone():
            found.append(rule)
    return found + _cursor_ahead(connection)


def _cursor_ahead(connection: Connection) -> list[str]:
    """Return whether the cursor of the made-up source covers a page that is not stored in that version."""
    row = connection.execute("SELECT cursor FROM sources WHERE name = 'pages'").fetchone()
    cursor = row[0] if row else None
    if not isinstance(cursor, dict) or "read" not in cursor:
        return []
    version = cursor["version"]
    rows = connection.execute("SELECT id, text FROM documents WHERE source = 'pages'").fetchall()
    texts = {str(name): str(text) for name, text in rows}
    for number in range(cursor["read"]):
        is_gone = version == 2 and number % 7 == 0
        shown = f"version {version if number % 3 == 0 else 1}."
        text = texts.get(f"pages:{number}", "")
        if bool(text) == is_gone or (text and shown not in text):
            return [f"the cursor covers page {number}, which is not stored so"]
    return []


def digest(dsn: str, *, cursors: bool = True) -> str:
    """Return a digest of everything that an operation leaves, without numbers and times that differ in each run.

    :param cursors: whether the cursors belong to it, which hold times in some sources
    """
    with psycopg.connect(dsn) as connection:
        index = _active(connection)
        parts: list[object] = [index]
        if index:
            names = _names(index)
            queries = (
                "SELECT id, hash, metadata::text FROM documents ORDER BY id",
                "SELECT node_id, ordinal, url, text, metadata_::text, embedding::text FROM {chunks} ORDER BY node_id",
                "SELECT source, chunks, terms FROM index_statistics WHERE index_name = {name} AND chunks > 0 ORDER BY 1",
                "SELECT name, cursor::text FROM sources ORDER BY name"
                if cursors
                else "SELECT name FROM sources ORDER BY 1",
            )
            parts += [connection.execute(sql.SQL(query).format(**names)).fetchall() for query in queries]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _active(connection: Connection) -> str | None:
    if connection.execute("SELECT to_regclass('indexes')").fetchone() == (None,):
        return None
    rows = connection.execute("SELECT name FROM indexes WHERE active").fetchall()
    return str(rows[0][0]) if rows else None


def _names(index: str) -> dict[str, sql.Composable]:
    return {
        "chunks": sql.Identifier(f"data_{index}"),
        "postings": sql.Identifier(f"{index}_postings"),
        "fresh": sql.Identifier(f"{index}_fresh"),
        "name": sql.Literal(index),
    }
