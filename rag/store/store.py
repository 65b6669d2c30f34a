"""The store: one method a named query, typed rows, and one transaction a document.

Reading methods borrow a connection each. Writing goes through a `Transaction`:

    with store.transaction() as transaction:
        transaction.put_documents([...])
        transaction.set_cursor("postgres", {"last": "2024-05-01"})
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pgvector
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Json, Jsonb

from rag.errors import DatabaseError
from rag.models import (
    Answer,
    AnswerCounts,
    Filters,
    IndexInfo,
    IndexSize,
    LoggedAnswer,
    Page,
    PastEvaluation,
    Source,
    SourceStatus,
    StaleAnswer,
    Thumb,
    Trouble,
    Usage,
)
from rag.store.database import Connection, Database, Queries
from rag.trust.secrets import masked

__all__ = [
    "ENTRIES_A_CHUNK",
    "MANY_ENTRIES",
    "AnsweredDiscussion",
    "Candidate",
    "ChunkRow",
    "DocumentRow",
    "FoundChunk",
    "GitHubComment",
    "GitHubThread",
    "PendingThread",
    "PullRequest",
    "Store",
    "Transaction",
    "storable",
]

Vector = NDArray[np.float32]

_ALL = Filters()
# A source of no more chunks is searched by reading all their vectors: exact, and 1 to 2 ms a thousand. A larger one,
# if no more than a fifth of the index, has a vectors' index of its own; in that of all, a half of a million chunks is
# found as well as all of them, and need not be indexed, and written, twice.
_READ_WHOLE = 10_000
_LARGE_SHARE = 0.2
# From so many chunks on, a vectors' index has more links. Of 25,000, 12 and 48 find as many as pgvector's own 16 and
# 64, 99.3% and 99.4%, for 0.57 of the time to build.
_LARGE_INDEX = 30_000
_LARGE_LINKS, _LARGE_BUILD = 24, 200
_LINKS, _BUILD = 12, 48
# So much of it is looked at: of 100,000 chunks 400 find 99.6% of the ten nearest, of a million 95%, and 1,000, which is
# pgvector's most, 98%. The first is what a connection looks at anyway.
_NEIGHBOURS, _MOST_NEIGHBOURS = 400, 1_000
_NEIGHBOURS_REACH, _NEIGHBOURS_GROWTH = 100_000, 0.4
# Common terms with so many entries are added up last, for the chunks that they may bring among the best, which takes as
# long as so many entries a chunk. In an index of fewer chunks that gains less than planning it takes.
MANY_ENTRIES = 50_000
ENTRIES_A_CHUNK = 200
# How long the sizes of an index are believed; what is searched by which index is the same within wide bounds.
_SIZES_SECONDS = 10.0
# Bytes a vector takes beside its numbers while its index is built, and what of the memory a build may have, in MB.
_HNSW_OVERHEAD = 700
_HNSW_MOST_MEMORY = 4096
# Fewer rows than these are left to autovacuum.
_WORTH_A_VACUUM = 5_000

# Of the answers that are too old, so many go with each that comes; more are never held up by one.
_PRUNED_AT_ONCE = 100

# What people wrote of a thread or a comment on GitHub; the rest is names, numbers and dates.
_WRITTEN = ("title", "body")

_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_encoder = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as it is stored; `hash` is of its text and metadata."""

    id: str
    source: str
    kind: str
    url: str
    title: str
    text: str
    metadata: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk to store. `metadata` is what LlamaIndex's PGVectorStore keeps in `metadata_`."""

    node_id: str
    ordinal: int
    text: str
    heading: str
    url: str
    metadata: dict[str, Any]
    embedding: Vector


@dataclass(frozen=True, slots=True)
class GitHubThread:
    """A staged issue, pull request or discussion.

    `kind` is issue, pull or discussion, or None for a thread that is not asked for and gets no document.
    """

    number: int
    kind: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GitHubComment:
    """A staged comment."""

    kind: str
    id: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PendingThread:
    """A thread whose document is to be written, with all that is staged of it as of a revision."""

    number: int
    kind: str
    data: dict[str, Any]
    revision: int
    comments: Sequence[GitHubComment] = ()
    #: {"number", "url", "merged_at"} of each merged pull request that says it fixes this issue
    fixed_by: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that a search may return, with its exact scores."""

    id: int
    document_id: str
    cosine: float
    bm25: float
    #: the share of the question's terms, weighed by idf, that the chunk holds
    coverage: float


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A chunk with what is shown of its document."""

    id: int
    node_id: str
    document_id: str
    ordinal: int
    url: str
    title: str
    source: str
    kind: str
    heading: str
    text: str
    anchors: list[tuple[int, str]]
    #: the document's metadata
    about: dict[str, Any]
    #: [offset, marks] of what in the text has an author of its own
    passages: list[tuple[int, dict[str, str]]]
    #: "accepted" or "maintainer", if a part of it is such an answer
    answer: str | None


@dataclass(frozen=True, slots=True)
class AnsweredDiscussion:
    """A discussion whose author has accepted an answer."""

    number: int
    url: str
    title: str
    body: str
    created_at: str
    #: the accepted comment, with the replies to it left out
    answer: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as its author wrote it."""

    number: int
    url: str
    title: str
    body: str
    created_at: str


class IndexTables:
    """The identifiers of an index's tables, ready for `Queries.compose`."""

    def __init__(self, index: IndexInfo) -> None:
        self.chunks = f"data_{index.name}"
        self.postings = f"{index.name}_postings"
        self.fresh = f"{index.name}_fresh"
        self.hnsw = f"{index.name}_hnsw"
        self.identifiers: dict[str, sql.Composable] = {
            "chunks": sql.Identifier(self.chunks),
            "postings": sql.Identifier(self.postings),
            "fresh": sql.Identifier(self.fresh),
            "hnsw": sql.Identifier(self.hnsw),
            "dimension": sql.Literal(index.dimension),
        }


class Transaction:
    """The writing side of the store: everything done through one commits together or not at all."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    def _run(
        self, name: str, values: Mapping[str, object], index: IndexInfo | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        tables = IndexTables(index).identifiers if index else None
        return self._connection.execute(self._queries.compose(name, tables), values)

    def set_cursor(self, source: str, cursor: Mapping[str, Any]) -> None:
        """Move a source's cursor; its shape is the source's own."""
        self._run("set_cursor", {"source": source, "cursor": Jsonb(dict(cursor))})

    def put_page(self, source: str, page: Page) -> None:
        """Remember a page of a docs source."""
        self._run(
            "put_page",
            {
                "source": source,
                "url": page.url,
                "etag": page.etag,
                "last_modified": page.last_modified,
                "links": list(page.links),
                "document_id": page.document_id,
                "lastmod": page.lastmod,
            },
        )

    def delete_page(self, source: str, url: str) -> None:
        """Forget a page of a docs source."""
        self._run("delete_page", {"source": source, "url": url})

    def put_github_threads(self, source: str, threads: Sequence[GitHubThread]) -> None:
        """Stage threads; each becomes pending only if it differs from what is staged, and is no older.

        Issues named in the `fixes` of a thread's data become pending with it.
        """
        latest = {thread.number: thread for thread in threads}
        rows = [{"number": row.number, "kind": row.kind, "data": _masked(row.data)} for row in latest.values()]
        self._stage("put_github_threads", source, rows)

    def put_github_comments(self, source: str, comments: Sequence[tuple[int, GitHubComment]]) -> None:
        """Stage comments, each with its thread's number; a thread becomes pending only if one is new or differs."""
        latest = {(comment.kind, comment.id): (number, comment) for number, comment in comments}
        rows = [
            {"number": number, "kind": comment.kind, "id": comment.id, "data": _masked(comment.data)}
            for number, comment in latest.values()
        ]
        self._stage("put_github_comments", source, rows)

    def _stage(self, query: str, source: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._run("lock_staging", {"source": source})
            self._run(query, {"source": source, "rows": Jsonb(rows, dumps=_dump)})

    def delete_github_comments(self, source: str, kind: str, ids: Sequence[int]) -> None:
        """Forget comments that are gone; their threads become pending."""
        self._run("lock_staging", {"source": source})
        self._run("delete_github_comments", {"source": source, "kind": kind, "ids": list(ids)})

    def settle_github_thread(self, source: str, number: int, revision: int | None = None) -> bool:
        """Note that a thread's document is written; if its rows have changed meanwhile, it is pending again.

        :param revision: of the rows that the document was made from; None for those that are staged now
        :returns: whether this settled it
        """
        values = {"source": source, "number": number, "revision": revision}
        row = self._run("settle_github_thread", values).fetchone()
        return bool(row and row[0])

    def delete_github_thread(self, source: str, number: int) -> None:
        """Forget a thread that is gone, with its comments."""
        self._run("delete_github_thread", {"source": source, "number": number})

    def clear_github(self, source: str) -> None:
        """Forget everything that is staged of a source."""
        self._run("clear_github_comments", {"source": source})
        self._run("clear_github_threads", {"source": source})

    def put_documents(self, documents: Sequence[DocumentRow]) -> None:
        """Insert or replace documents; their chunks are written by `add_chunks` and `delete_chunks`."""
        if documents:
            self._run("put_documents", {"rows": Json([asdict(row) for row in documents], dumps=_dump)})

    def chunk_ids(self, index: IndexInfo, documents: Iterable[str]) -> set[str]:
        """Return the node ids of the chunks of documents."""
        rows = self._run("chunk_ids", {"documents": list(documents)}, index).fetchall()
        return {row[0] for row in rows}

    def add_chunks(self, index: IndexInfo, source: str, chunks: Sequence[tuple[str, ChunkRow]]) -> None:
        """Write new chunks, each with its document's id, by binary COPY, and queue their terms."""
        if not chunks:
            return
        tables = IndexTables(index).identifiers
        with (
            self._connection.cursor() as cursor,
            cursor.copy(self._queries.compose("copy_chunks", tables)) as copy,
        ):
            # What these types send is what json and halfvec read, without an object a value to make it.
            copy.set_types(["varchar", "text", "varchar", "bytea", "text", "text", "int4", "text", "text"])
            vectors = _packed([chunk.embedding for _, chunk in chunks])
            for (document_id, chunk), vector in zip(chunks, vectors, strict=True):
                copy.write_row(
                    (
                        storable(chunk.text),
                        _dump(chunk.metadata),
                        chunk.node_id,
                        vector,
                        document_id,
                        source,
                        chunk.ordinal,
                        storable(chunk.heading),
                        chunk.url,
                    )
                )
        self._count("count_chunks", index, source, [chunk.node_id for _, chunk in chunks])

    def move_chunks(self, index: IndexInfo, chunks: Sequence[ChunkRow]) -> None:
        """Update place, link and metadata of chunks whose text is the same."""
        if chunks:
            rows = [
                {"node_id": chunk.node_id, "ordinal": chunk.ordinal, "url": chunk.url, "metadata": chunk.metadata}
                for chunk in chunks
            ]
            self._run("move_chunks", {"rows": Json(rows, dumps=_dump)}, index)

    def delete_chunks(self, index: IndexInfo, source: str, node_ids: Sequence[str]) -> None:
        """Remove chunks and forget their terms."""
        if not node_ids:
            return
        self._count("discount_chunks", index, source, node_ids)
        self._run("delete_chunks", {"node_ids": list(node_ids)}, index)

    def _count(self, query: str, index: IndexInfo, source: str, node_ids: Sequence[str]) -> None:
        self._run(query, {"index": index.name, "source": source, "node_ids": list(node_ids)}, index)

    def delete_documents(self, ids: Sequence[str]) -> None:
        """Remove documents; call `delete_chunks` first, so that the statistics stay right."""
        if ids:
            self._run("delete_documents", {"ids": list(ids)})

    def mark_answers_stale(self, index: IndexInfo, documents: Sequence[str]) -> None:
        """Mark logged answers that show a chunk of these documents which is another one now, or gone."""
        if documents:
            self._run("mark_answers_stale", {"documents": list(documents)}, index)

    def mark_late_answers_stale(self, index: IndexInfo, since: datetime) -> None:
        """Mark the same of answers that were given since a time."""
        self._run("mark_late_answers_stale", {"since": since}, index)

    def log_answer(self, index: IndexInfo, answer: Answer, *, source: str | None, asked: bytes, keep_days: int) -> None:
        """Keep an answer, which supersedes those to the same question, and forget some that are too old.

        :param source: it was answered from this source only
        :param asked: the same for the same question
        """
        usage = answer.usage or Usage()
        values = {
            "id": answer.id,
            "question": storable(answer.question),
            "source": source,
            "asked": asked,
            "answered": answer.answered,
            "answer": storable(answer.answer),
            "sources": Jsonb([asdict(one) for one in answer.sources], dumps=_dump),
            "embedding_model": answer.embedding_model,
            "llm": answer.llm,
            "timings": Jsonb(answer.timings),
            "prompt_tokens": usage.prompt_tokens,
            "answer_tokens": usage.answer_tokens,
            "cost": usage.cost,
            "chunks": [one.chunk_id for one in answer.sources],
        }
        self._run("limit_logging", {})
        self._run("log_answer", values, index)
        self._run("prune_answers", {"days": keep_days, "limit": _PRUNED_AT_ONCE})


class Store:
    """Everything that is kept, over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = database.queries
        self._sizes: dict[str, tuple[float, dict[str, int]]] = {}

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; leaving commits it, an exception rolls it back.

        :raises DatabaseError: the database refused or went away; nothing of the transaction is kept
        """
        try:
            with self._database.connection() as connection, connection.transaction():
                yield Transaction(connection, self._queries)
        except psycopg.Error as error:
            raise DatabaseError(f"The database refused a write: {' '.join(str(error).split())}") from error

    def _rows(self, name: str, values: Mapping[str, object], index: IndexInfo | None = None) -> list[tuple[Any, ...]]:
        tables = IndexTables(index).identifiers if index else None
        return self._fetch(self._queries.compose(name, tables), values)

    def _fetch(self, statement: bytes | sql.Composed | sql.SQL, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        try:
            with self._database.connection() as connection:
                return connection.execute(statement, values).fetchall()
        except psycopg.Error as error:
            raise DatabaseError(f"The database does not answer: {' '.join(str(error).split())}") from error

    # Sources

    def register_source(self, name: str, kind: str) -> None:
        """Make a source known."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("register_source"), {"name": name, "kind": kind})

    @contextmanager
    def locked_source(self, name: str, *, shared: bool = False) -> Iterator[bool]:
        """Hold the lock that lets one sync of a source run at a time; yield whether it was free.

        :param shared: let others in that share it as well, as the windows of a backfill do
        """
        values = {"name": name}
        lock, unlock = ("share_source", "unshare_source") if shared else ("lock_source", "unlock_source")
        with self._database.connection() as connection:
            row = connection.execute(self._queries.compose(lock), values).fetchone()
            locked = bool(row and row[0])
            try:
                yield locked
            finally:
                if locked and not connection.closed:
                    connection.execute(self._queries.compose(unlock), values)

    @contextmanager
    def locked_sources(self, names: Sequence[str]) -> Iterator[str | None]:
        """Hold the locks of several sources, on one connection; yield the first that is not free, or None."""
        with self._database.connection() as connection:
            held = []
            try:
                for name in names:
                    row = connection.execute(self._queries.compose("lock_source"), {"name": name}).fetchone()
                    if not (row and row[0]):
                        break
                    held.append(name)
                yield None if len(held) == len(names) else names[len(held)]
            finally:
                if not connection.closed:
                    for name in held:
                        connection.execute(self._queries.compose("unlock_source"), {"name": name})

    def sync_succeeded(self, name: str) -> None:
        """Note that a source is in line with its origin."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("sync_succeeded"), {"name": name})

    def sync_failed(self, name: str, error: str) -> None:
        """Note why a source could not be brought in line."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("sync_failed"), {"name": name, "error": storable(error)})

    def count_failure(self, name: str) -> None:
        """Note that a run of a source has failed, all its attempts included."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("count_failure"), {"name": name})

    def claim_alert(self, name: str, *, failures: int, age: timedelta) -> Trouble | None:
        """Return what troubles a source, to whoever asks first since its last success; to others None.

        :param failures: so many failed runs since the last success are trouble
        :param age: so is a last success that is longer ago
        """
        rows = self._rows("claim_alert", {"name": name, "failures": failures, "age": age})
        return Trouble(name, *rows[0]) if rows else None

    def return_alert(self, name: str) -> None:
        """Let the next one who asks have the alert: it could not be delivered."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("return_alert"), {"name": name})

    def delete_source(self, name: str) -> None:
        """Forget a source: its documents with their chunks in every index, and what its syncs remember."""
        indexes = self._indexes()
        with self._database.connection() as connection, connection.transaction():
            for index in indexes:
                tables = IndexTables(index).identifiers
                for query in ("delete_chunks_of_source", "delete_postings_of_source"):
                    connection.execute(self._queries.compose(query, tables), {"source": name})
            connection.execute(self._queries.compose("delete_source"), {"name": name})

    def copy_to(self, other: Store, *, progress: Callable[[str], None] | None = None) -> dict[str, int]:
        """Copy everything, as it is now, into another database in one transaction.

        :param other: must be empty
        :param progress: called with the name of each table before its rows are sent
        :returns: how many rows were copied, by table
        """
        indexes = self._indexes()
        try:
            with (
                self._database.connection() as here,
                here.transaction(),
                other._database.connection() as there,
                there.transaction(),
            ):
                here.execute(self._queries.compose("begin_snapshot"))
                for index in indexes:
                    tables = IndexTables(index).identifiers
                    there.execute(self._queries.compose("create_chunks", tables))
                    there.execute(self._queries.compose("create_postings", tables))
                copied = self._copy_tables(here, there, progress)
        except psycopg.Error as error:
            raise DatabaseError(f"The copy broke off, and nothing of it was kept: {_one_line(error)}.") from error
        for index in indexes:
            if self._rows("has_relation", {"name": IndexTables(index).hnsw})[0][0]:
                other.build_hnsw(index)
        other.vacuum()
        return copied

    def _copy_tables(
        self, here: Connection, there: Connection, progress: Callable[[str], None] | None
    ) -> dict[str, int]:
        tables = {row[0]: row[1:] for row in there.execute(self._queries.compose("tables")).fetchall()}
        present = {row[0] for row in here.execute(self._queries.compose("tables")).fetchall()}
        copied = {}
        for name in TopologicalSorter({name: refers for name, (_, _, refers) in tables.items()}).static_order():
            if name not in present:
                continue
            if progress:
                progress(name)
            columns, counting, _ = tables[name]
            table = {
                "table": sql.Identifier(name),
                "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
            }
            with here.cursor() as reading, there.cursor() as writing:
                with (
                    reading.copy(self._queries.compose("copy_out", table)) as source,
                    writing.copy(self._queries.compose("copy_in", table)) as target,
                ):
                    for data in source:
                        target.write(data)
                copied[name] = writing.rowcount
            for column in counting:
                statement = self._queries.compose(
                    "go_on_counting", {"table": sql.Identifier(name), "column": sql.Identifier(column)}
                )
                there.execute(statement, {"table": name, "column": column})
        return copied

    def _indexes(self) -> list[IndexInfo]:
        active = self.active_index()
        return [*([active] if active else []), *(index for index, _ in self.other_indexes())]

    def has_source(self, name: str) -> bool:
        """Return whether a source has ever been synced."""
        return bool(self._rows("has_source", {"name": name}))

    def source_status(self) -> list[SourceStatus]:
        """Return every known source with its counts."""
        with (
            self._database.connection() as connection,
            connection.cursor(row_factory=class_row(SourceStatus)) as cursor,
        ):
            return cursor.execute(self._queries.compose("source_status")).fetchall()

    def cursor(self, source: str) -> dict[str, Any]:
        """Return how far a source has been synced; empty before the first sync."""
        rows = self._rows("cursor", {"source": source})
        return dict(rows[0][0]) if rows else {}

    def pages(self, source: str) -> dict[str, Page]:
        """Return what the last crawls remember, by URL."""
        rows = self._rows("pages", {"source": source})
        return {row[0]: Page(row[0], row[1], row[2], tuple(row[3]), row[4], row[5]) for row in rows}

    def pending_github_threads(
        self, source: str, *, numbers: Sequence[int] | None = None, after: int = 0, limit: int = 100
    ) -> list[PendingThread]:
        """Return threads that changed since their document was written, by number from above `after` on.

        :param numbers: only these threads; None for all
        """
        wanted = None if numbers is None else list(numbers)
        values = {"source": source, "numbers": wanted, "after": after, "limit": limit}
        return [
            PendingThread(
                number, kind, data, revision, [GitHubComment(*comment) for comment in comments or ()], fixed_by or ()
            )
            for number, kind, data, revision, comments, fixed_by in self._rows("pending_github_threads", values)
        ]

    def github_thread(self, source: str, number: int) -> GitHubThread | None:
        """Return a staged thread."""
        rows = self._rows("github_thread", {"source": source, "number": number})
        return GitHubThread(*rows[0]) if rows else None

    def github_thread_comments(self, source: str, number: int) -> list[GitHubComment]:
        """Return the staged comments of a thread, by kind and id."""
        rows = self._rows("github_thread_comments", {"source": source, "number": number})
        return [GitHubComment(*row) for row in rows]

    def github_comment_ids(
        self, source: str, kind: str, *, since: str = "", after: int = 0, limit: int = 1000
    ) -> list[int]:
        """Return ids above `after` of staged comments of a kind whose updated_at is `since`, in ISO, or later."""
        values = {"source": source, "kind": kind, "since": since, "after": after, "limit": limit}
        return [row[0] for row in self._rows("github_comment_ids", values)]

    def github_thread_count(self, source: str) -> int:
        """Return how many issues and pull requests are staged, those that are not asked for included."""
        return int(self._rows("github_thread_count", {"source": source})[0][0])

    def github_discussion_count(self, source: str) -> int:
        """Return how many discussions are staged."""
        return int(self._rows("github_discussion_count", {"source": source})[0][0])

    def github_threads_by_creation(self, source: str, *, offset: int, limit: int) -> list[int]:
        """Return a page of the numbers of staged issues and pull requests, the oldest thread first."""
        values = {"source": source, "limit": limit, "offset": offset}
        return [row[0] for row in self._rows("github_threads_by_creation", values)]

    def github_thread_numbers(self, source: str, *, after: int = 0, limit: int | None = None) -> dict[int, str]:
        """Return the staged threads with a number above `after`, in order: kind by number."""
        return dict(self._rows("github_thread_numbers", {"source": source, "after": after, "limit": limit}))

    # Documents

    def document_hashes(self, source: str) -> dict[str, str]:
        """Return what is indexed of a source: content hash by document id."""
        return dict(self._rows("document_hashes", {"source": source}))

    def known_hashes(self, documents: Iterable[str]) -> dict[str, str]:
        """Return the content hashes of those documents that are stored, by id."""
        return dict(self._rows("known_hashes", {"ids": list(documents)}))

    def document_ids(self, source: str, *, after: str = "", limit: int) -> list[str]:
        """Return ids of a source's documents above `after`, in order."""
        values = {"source": source, "after": after, "limit": limit}
        return [row[0] for row in self._rows("document_ids", values)]

    def document_count(self, source: str) -> int:
        """Return how many documents of a source are stored."""
        return int(self._rows("document_count", {"source": source})[0][0])

    def cached_embeddings(self, model: str, contents: Iterable[bytes]) -> dict[bytes, Vector]:
        """Return the embeddings that `model` already made of these contents (SHA-256 digests)."""
        rows = self._rows("cached_embeddings", {"model": model, "contents": list(contents)})
        if unnoted := [content for content, _, is_unnoted in rows if is_unnoted]:
            with self._database.connection() as connection:
                values = {"model": model, "contents": unnoted}
                connection.execute(self._queries.compose("note_use_of_embeddings"), values)
        return {bytes(content): embedding.to_numpy().astype(np.float32) for content, embedding, _ in rows}

    def expire_embeddings(self, *, days: int) -> int:
        """Drop embeddings that were not used for so many days; return how many."""
        with self._database.connection() as connection:
            return connection.execute(self._queries.compose("expire_embeddings"), {"days": days}).rowcount

    def cache_embeddings(self, model: str, embeddings: Mapping[bytes, Vector]) -> None:
        """Keep embeddings by model and content (SHA-256 digest)."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("stage_embeddings"))
            with connection.cursor() as cursor, cursor.copy(self._queries.compose("copy_embeddings")) as copy:
                copy.set_types(["bytea", "halfvec"])
                for content, embedding in embeddings.items():
                    copy.write_row((content, pgvector.HalfVector(embedding)))
            connection.execute(self._queries.compose("merge_embeddings"), {"model": model})

    def put_embedding_batch(self, model: str, texts: Sequence[str]) -> UUID:
        """Leave texts for another process to embed by `model`; return what they go by."""
        batch = uuid4()
        with self._database.connection() as connection:
            values = {"id": batch, "model": model, "texts": list(texts)}
            connection.execute(self._queries.compose("put_embedding_batch"), values)
        return batch

    def embedding_batch(self, batch: UUID) -> tuple[str, list[str]] | None:
        """Return the model and the texts of a batch; None if nobody waits for it any more."""
        rows = self._rows("embedding_batch", {"id": batch})
        return (rows[0][0], rows[0][1]) if rows else None

    def drop_embedding_batch(self, batch: UUID) -> None:
        """Forget a batch."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("drop_embedding_batch"), {"id": batch})

    def documents_by_url(self, urls: Iterable[str]) -> dict[str, str | None]:
        """Return those of some URLs that are documents', each with when its thread began, in ISO; a page says None."""
        return dict(self._rows("documents_by_url", {"urls": list(urls)}))

    # Answers

    def now(self) -> datetime:
        """Return the database's time."""
        now: datetime = self._rows("now", {})[0][0]
        return now

    def mark_late_answers_stale(self, index: IndexInfo, since: datetime) -> None:
        """Mark stale what was answered since a time from chunks that are others now, or gone."""
        with self.transaction() as transaction:
            transaction.mark_late_answers_stale(index, since)

    def stale_answers(self, *, limit: int = 100) -> list[StaleAnswer]:
        """Return what must be answered anew, the longest stale first."""
        return [StaleAnswer(str(row[0]), *row[1:]) for row in self._rows("stale_answers", {"limit": limit})]

    def answer_counts(self) -> AnswerCounts:
        """Return how many answers are logged, and what became of them."""
        return AnswerCounts(*self._rows("answer_counts", {})[0])

    def logged_answer(self, answer: UUID) -> LoggedAnswer | None:
        """Return an answer as it was given."""
        rows = self._rows("logged_answer", {"id": answer})
        return _logged_answer(rows[0]) if rows else None

    def down_voted_answers(self) -> list[LoggedAnswer]:
        """Return the answers that readers found wrong, the latest of each question, oldest first."""
        return [_logged_answer(row) for row in self._rows("down_voted_answers", {})]

    def rate_answer(self, answer: UUID, thumb: Thumb | None, *, better_page: str | None = None) -> bool:
        """Note what a reader thinks of an answer; return whether it is known.

        :param better_page: the page that would have answered
        """
        values = {"id": answer, "thumb": thumb, "better_page": better_page and storable(better_page)}
        return self._change("rate_answer", values) > 0

    def prune_answers(self, days: int) -> int:
        """Forget answers from before so many days; return how many."""
        return self._change("prune_answers", {"days": days, "limit": None})

    def _change(self, name: str, values: Mapping[str, object]) -> int:
        try:
            with self._database.connection() as connection:
                return connection.execute(self._queries.compose(name), values).rowcount
        except psycopg.Error as error:
            raise DatabaseError(f"The database refused a write: {' '.join(str(error).split())}") from error

    # Evaluation

    def add_evaluation(
        self, fingerprint: str, *, name: str, embedding_model: str, llm: str, report: Mapping[str, Any], good: bool
    ) -> None:
        """Keep an evaluation, under what its set of queries is recognised by."""
        values = {
            "name": name,
            "fingerprint": fingerprint,
            "embedding_model": embedding_model,
            "llm": llm,
            "report": Jsonb(dict(report)),
            "good": good,
        }
        self._change("add_evaluation", values)

    def evaluations(self, fingerprint: str, *, limit: int = 30) -> list[PastEvaluation]:
        """Return the latest evaluations of a set of queries, oldest first."""
        values = {"fingerprint": fingerprint, "limit": limit}
        return [PastEvaluation(*row) for row in self._rows("evaluations", values)]

    def last_good_evaluation(self, fingerprint: str) -> PastEvaluation | None:
        """Return what the next evaluation of a set of queries is compared with."""
        rows = self._rows("last_good_evaluation", {"fingerprint": fingerprint})
        return PastEvaluation(*rows[0]) if rows else None

    def answered_discussions(self, source: str) -> list[AnsweredDiscussion]:
        """Return the discussions with an accepted answer, oldest first."""
        return [AnsweredDiscussion(*row) for row in self._rows("answered_discussions", {"source": source})]

    def pulls_naming_threads(self, source: str) -> list[PullRequest]:
        """Return the pull requests that name another thread, oldest first."""
        return [PullRequest(*row) for row in self._rows("pulls_naming_threads", {"source": source})]

    def said_at(self, index: IndexInfo, node_ids: Sequence[str]) -> dict[str, str]:
        """Return when the latest part of each chunk was written, in ISO; one whose source does not say is left out."""
        return dict(self._rows("said_at", {"node_ids": list(node_ids)}, index))

    def chunk_texts(self, index: IndexInfo, node_ids: Sequence[str]) -> dict[str, str]:
        """Return the heading paths and texts of chunks by node id."""
        return dict(self._rows("chunk_texts", {"node_ids": list(node_ids)}, index))

    # Indexes

    def active_index(self) -> IndexInfo | None:
        """Return the index that questions are answered from."""
        rows = self._rows("active_index", {})
        return IndexInfo(*rows[0]) if rows else None

    def create_index(self, index: IndexInfo) -> None:
        """Create an index's tables and register it; the first one becomes the active one."""
        tables = IndexTables(index).identifiers
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("lock_indexes"))
            if connection.execute(self._queries.compose("index_by_name"), {"name": index.name}).fetchone():
                return
            connection.execute(self._queries.compose("create_chunks", tables))
            connection.execute(self._queries.compose("create_postings", tables))
            connection.execute(
                self._queries.compose("insert_index"),
                {
                    "name": index.name,
                    "embedding_model": index.embedding_model,
                    "dimension": index.dimension,
                    "chunking": index.chunking,
                },
            )

    def index_state(self, index: IndexInfo) -> str:
        """Return what is another string whenever anything that answers are made from has changed."""
        return str(self._rows("index_state", {"name": index.name}, index)[0][0])

    def documents_to_index(self, index: IndexInfo, *, after: str = "", limit: int = 100) -> list[DocumentRow]:
        """Return documents, by id from `after` on, that an index being built lacks or has in an older version."""
        values = {"name": index.name, "after": after, "limit": limit}
        return [DocumentRow(*row) for row in self._rows("documents_to_index", values, index)]

    def other_indexes(self) -> list[tuple[IndexInfo, bool]]:
        """Return the indexes that are not active, each with whether it ever was; the one of last first."""
        return [(IndexInfo(*row[:4]), row[4]) for row in self._rows("other_indexes", {})]

    def switch_index(self, old: IndexInfo, new: IndexInfo) -> None:
        """Answer from `new`, and keep `old` to switch back to; an index that was kept before is dropped."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("lock_indexes"))
            for other, was_active in self.other_indexes():
                if was_active and other.name != new.name:
                    self._drop(connection, other)
            connection.execute(self._queries.compose("retire_index"), {"name": old.name})
            connection.execute(self._queries.compose("activate_index"), {"name": new.name})

    def expired_indexes(self, *, days: int) -> list[IndexInfo]:
        """Return the indexes that were replaced so many days ago."""
        return [IndexInfo(*row) for row in self._rows("expired_indexes", {"days": days})]

    def vacuum(self) -> None:
        """Give the room of deleted rows back, and gather the planner's statistics."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("vacuum"))

    def drop_index(self, index: IndexInfo) -> None:
        """Remove an index with all its chunks."""
        with self._database.connection() as connection, connection.transaction():
            self._drop(connection, index)

    def _drop(self, connection: Connection, index: IndexInfo) -> None:
        tables = IndexTables(index).identifiers
        connection.execute(self._queries.compose("delete_index"), {"name": index.name})
        connection.execute(self._queries.compose("drop_chunks", tables))
        connection.execute(self._queries.compose("drop_postings", tables))

    def queue_all_chunks(self, index: IndexInfo) -> None:
        """Make the postings of an index anew from its chunks, with the next compaction of every source."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(
                self._queries.compose("queue_all_chunks", IndexTables(index).identifiers), {"name": index.name}
            )

    def search(
        self, index: IndexInfo, *, question: str, embedding: Vector, filters: Filters = _ALL, candidates: int
    ) -> list[Candidate]:
        """Return up to `candidates` chunks by meaning and as many by words, in no order.

        :param filters: what they are narrowed to
        """
        values = {
            "index": index.name,
            "question": storable(question),
            "embedding": pgvector.HalfVector(embedding),
            "candidates": candidates,
            **_filter_values(filters),
        }
        words, nearest = self._ways(index, filters)
        # The other ways to the best by words need the scores of all chunks.
        of_best = words == "best_words" and self.chunk_count(index, None) >= MANY_ENTRIES
        values |= {"many": MANY_ENTRIES if of_best else math.inf, "entries_a_chunk": ENTRIES_A_CHUNK}
        statement = self._search_statement(index, words, nearest, of_best=of_best)
        with self.searching(index, filters.source) as connection:
            return [Candidate(*row) for row in connection.execute(statement, values)]

    def _ways(self, index: IndexInfo, filters: Filters) -> tuple[str, str]:
        """Name the queries that find the best by words and by meaning fastest."""
        if replace(filters, source=None) == _ALL:
            return "best_words", self.nearest_query(index, filters.source)
        # What is less than a twentieth lies so thin that an index of the vectors passes by too much.
        most = max(_READ_WHOLE, sum(self._source_sizes(index).values()) // 20)
        names = {"wanted": self._queries.compose("wanted"), **IndexTables(index).identifiers}
        with self._database.connection() as connection:
            values = {**_filter_values(filters), "most": most + 1}
            row = connection.execute(self._queries.compose("count_wanted", names), values).fetchone()
        few = row is None or row[0] <= most
        return ("best_words_of_few", "nearest_of_few") if few else ("best_words_of_many", "nearest_of_many")

    @contextmanager
    def searching(self, index: IndexInfo, source: str | None) -> Iterator[Connection]:
        """Lend a connection that looks at as many neighbours as an index of this size needs.

        :raises DatabaseError: the database refused or went away
        """
        neighbours = self._neighbours(index, source)
        try:
            with self._database.connection() as connection:
                if neighbours == _NEIGHBOURS:
                    yield connection
                else:
                    with connection.transaction():
                        connection.execute(self._queries.compose("look_at"), {"neighbours": str(neighbours)})
                        yield connection
        except psycopg.Error as error:
            raise DatabaseError(f"The database does not answer: {' '.join(str(error).split())}") from error

    def _neighbours(self, index: IndexInfo, source: str | None) -> int:
        sizes = self._source_sizes(index)
        total = sum(sizes.values())
        chunks = 0 if source is None else sizes.get(source, 0)
        searched = chunks if _has_own_hnsw(chunks, total) else total
        growth: float = (searched / _NEIGHBOURS_REACH) ** _NEIGHBOURS_GROWTH
        return min(_MOST_NEIGHBOURS, max(_NEIGHBOURS, round(_NEIGHBOURS * growth)))

    def nearest_query(self, index: IndexInfo, source: str | None) -> str:
        """Name the query that finds a source's nearest vectors fastest and, within reason, misses none."""
        if source is None:
            return "nearest"
        is_large = self._source_sizes(index).get(source, 0) > _READ_WHOLE
        return "nearest_in_source" if is_large else "nearest_in_small_source"

    def chunk_count(self, index: IndexInfo, source: str | None) -> int:
        """Return about how many chunks an index holds, of one source or of all."""
        sizes = self._source_sizes(index)
        return sum(sizes.values()) if source is None else sizes.get(source, 0)

    def _source_sizes(self, index: IndexInfo) -> dict[str, int]:
        known = self._sizes.get(index.name)
        if known is None or known[0] < time.monotonic():
            sizes = dict(self._rows("source_sizes", {"name": index.name}))
            known = self._sizes[index.name] = (time.monotonic() + _SIZES_SECONDS, sizes)
        return known[1]

    @cache  # noqa: B019 - a store lives as long as its database, and an index has seven
    def _search_statement(self, index: IndexInfo, words: str, nearest: str, *, of_best: bool = False) -> bytes:
        names = {"wanted": self._queries.compose("wanted"), **IndexTables(index).identifiers}
        names["few"] = self._queries.compose("few", names)
        names |= {
            part: self._queries.compose(way, names) for part, way in (("by_words", words), ("by_meaning", nearest))
        }
        return self._queries.compose("search", names | self.scoring(index, of_best=of_best)).as_bytes()

    def scoring(self, index: IndexInfo, *, of_best: bool) -> dict[str, sql.Composable]:
        """Return the parts of a search that score words: of all chunks, or of the best and those near by meaning."""
        compose, names = self._queries.compose, IndexTables(index).identifiers
        rare, common = (
            compose("scored", {**names, "these": compose(these)}) for these in ("rare_terms", "common_terms")
        )
        return {
            "terms": compose("terms", {**names, "rare": rare}),
            "bm25": compose("bm25_of_best", {**names, "common": common}) if of_best else compose("bm25_of_all"),
        }

    def chunks_by_id(self, index: IndexInfo, ids: Sequence[int]) -> dict[int, FoundChunk]:
        """Return chunks by id; one that was deleted meanwhile is missing."""
        found = self._fetch(self._chunks_statement(index, "chunks_by_id"), {"ids": list(ids)})
        return {row[0]: FoundChunk(*row) for row in found}

    def chunks_at(self, index: IndexInfo, places: Iterable[tuple[str, int]]) -> list[FoundChunk]:
        """Return chunks by document and ordinal; where there is none, there is none."""
        wanted = list(places)
        values = {"documents": [document for document, _ in wanted], "ordinals": [ordinal for _, ordinal in wanted]}
        return [FoundChunk(*row) for row in self._fetch(self._chunks_statement(index, "chunks_at"), values)]

    def _chunks_statement(self, index: IndexInfo, query: str) -> sql.Composed | sql.SQL:
        tables = {**IndexTables(index).identifiers, "found_chunk": self._queries.compose("found_chunk")}
        return self._queries.compose(query, tables)

    def near_duplicates(self, index: IndexInfo, ids: Sequence[int], *, distance: float) -> list[tuple[int, int]]:
        """Return the pairs of chunks whose vectors are closer than a cosine distance."""
        rows = self._rows("near_duplicates", {"ids": list(ids), "distance": distance}, index)
        return [(row[0], row[1]) for row in rows]

    def has_chunks(self, index: IndexInfo) -> bool:
        """Return whether an index holds anything."""
        return bool(self._rows("has_chunks", {}, index))

    def index_size(self, index: IndexInfo) -> IndexSize:
        """Return how much an index holds."""
        tables = IndexTables(index)
        values = {"name": index.name, "chunks": tables.chunks, "postings": tables.postings}
        return IndexSize(*self._rows("index_size", values)[0])

    def compact_postings(self, index: IndexInfo, source: str, *, thorough: bool = False) -> None:
        """Write the terms of a source's queued chunks, which until then every search has to read from the chunks.

        :param thorough: join all rows that can be joined, as after a bulk
        """
        tables = IndexTables(index).identifiers
        values = {"index": index.name, "source": source, "thorough": thorough}
        with self._database.connection() as connection:
            waiting = connection.execute(self._queries.compose("waiting_postings", tables), values).fetchone()
            if not thorough and not (waiting and waiting[0]):
                return
            with connection.transaction():
                connection.execute(self._queries.compose("lock_postings"), values)
                written = connection.execute(self._queries.compose("compact_postings", tables), values).rowcount
            if thorough and written >= _WORTH_A_VACUUM:
                connection.execute(self._queries.compose("vacuum_postings", tables))

    def build_hnsw(self, index: IndexInfo) -> None:
        """Build what is missing of the approximate nearest neighbour indexes: one of all, one of each large source."""
        tables = IndexTables(index)
        self._sizes.clear()
        sizes = self._source_sizes(index)
        total = sum(sizes.values())
        self._build(index, tables.hnsw, "create_hnsw", total, {})
        for source, chunks in sizes.items():
            if _has_own_hnsw(chunks, total):
                digest = hashlib.sha256(source.encode()).hexdigest()[:8]
                self._build(
                    index, f"{tables.hnsw}_{digest}", "create_hnsw_of_source", chunks, {"source": sql.Literal(source)}
                )

    def _build(
        self, index: IndexInfo, name: str, query: str, chunks: int, identifiers: Mapping[str, sql.Composable]
    ) -> None:
        links, build = (_LARGE_LINKS, _LARGE_BUILD) if chunks >= _LARGE_INDEX else (_LINKS, _BUILD)
        if self._links(name) >= links:
            return  # without the locks that a build takes
        shape = {"hnsw": sql.Identifier(name), "links": sql.Literal(links), "build": sql.Literal(build)}
        tables = {**IndexTables(index).identifiers, **identifiers, **shape}
        with self._database.connection() as connection, connection.transaction():
            if self._database.embedded:  # another server's memory is its administrator's to share out
                needed = chunks * (2 * index.dimension + _HNSW_OVERHEAD) // 2**20 + 64
                values = {"memory": f"{min(needed, _HNSW_MOST_MEMORY)}MB", "workers": str(os.cpu_count() or 1)}
                connection.execute(self._queries.compose("prepare_build"), values)
            connection.execute(self._queries.compose("lock_build"), {"name": name})
            built = self._links(name)
            if built >= links:
                return  # another process was faster
            outgrown = {"hnsw": sql.Identifier(name), "outgrown": sql.Identifier(f"{name}_outgrown")}
            if built:  # when there was less; questions are answered from it until the new one is there
                connection.execute(self._queries.compose("set_hnsw_aside", outgrown))
            connection.execute(self._queries.compose(query, tables))
            if built:
                connection.execute(self._queries.compose("drop_outgrown_hnsw", outgrown))

    def _links(self, name: str) -> int:
        """Return how many links a vectors' index has for each vector, 0 if there is none."""
        return next((links for (links,) in self._rows("hnsw_links", {"name": name})), 0)


def _has_own_hnsw(chunks: int, total: int) -> bool:
    """Return whether a source of so many chunks has a vectors' index of its own, in an index of so many."""
    return _READ_WHOLE < chunks <= total * _LARGE_SHARE


def _filter_values(filters: Filters) -> dict[str, object]:
    until = filters.until
    return {
        "source": filters.source,
        "kind": filters.kind,
        "label": filters.label,
        "state": filters.state,
        "since": filters.since and filters.since.isoformat(),
        # There is no day after the last one.
        "before": (until + timedelta(days=1)).isoformat() if until and until < date.max else None,
    }


def _packed(vectors: Sequence[Vector]) -> list[bytes]:
    """Return vectors as a binary COPY sends a halfvec: its dimension and a zero, 16 bits each, then its numbers."""
    matrix = np.stack(vectors)
    header = matrix.shape[1].to_bytes(2, "big") + b"\0\0"
    packed, size = matrix.astype(">f2").tobytes(), 2 * matrix.shape[1]
    return [header + packed[start : start + size] for start in range(0, len(packed), size)]


def _logged_answer(row: tuple[Any, ...]) -> LoggedAnswer:
    (name, asked_at, question, source, answered, text, sources, embedding_model, llm, timings, prompt_tokens,
     answer_tokens, cost, thumb, better_page, stale_at) = row  # fmt: skip
    usage = None if prompt_tokens is answer_tokens is cost is None else Usage(prompt_tokens, answer_tokens, cost)
    shown = tuple(Source(**one) for one in sources)
    answer = Answer(question, answered, text, shown, embedding_model, llm, timings, usage, str(name))
    return LoggedAnswer(answer, asked_at, source, thumb, better_page, stale_at)


def _masked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a thread's or a comment's data with the secrets in what people wrote masked."""
    return {key: masked(value) if key in _WRITTEN and isinstance(value, str) else value for key, value in data.items()}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _dump(value: object) -> str:
    text = _encoder.encode(value)
    # Control characters come out as escapes; without one there is nothing to clean in the parts.
    if "\\u" in text or _UNSTORABLE.search(text):
        text = _encoder.encode(_storable_parts(value))
    return text


def _storable_parts(value: object) -> object:
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(key)): _storable_parts(part) for key, part in value.items()}
        case list() | tuple():
            return [_storable_parts(part) for part in value]
        case _:
            return value


def storable(text: str) -> str:
    """Return a text without what Postgres cannot store or a terminal would obey.

    That is NUL, lone surrogates, and control characters other than tab and newline.
    """
    # To look first takes a quarter of the time, and hardly a text has any.
    return _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text
