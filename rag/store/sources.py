"""The state of each source: its cursor, its lock, its last success and its failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rag.store.index_info import IndexTables
from rag.store.indexes import Indexes
from rag.store.postgres.encoding import storable
from rag.store.statements import Reads, Writes

__all__ = ["HostShare", "Incident", "SourceStatus", "SourceWrites", "Sources"]


#: The last error of a source whose sync has begun and not ended, and does not run.
UNENDED = "The last sync did not end: its process was killed, or the connection to the database was lost for good."


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The state of one source."""

    name: str
    kind: str
    cursor: dict[str, Any]
    last_success: datetime | None
    last_error: str | None
    documents: int
    chunks: int
    #: failed runs since the last success
    failures: int = 0
    #: whether an alert went out since the last success
    alerted: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """A source that needs attention: it keeps failing or has not synced for too long."""

    name: str
    failures: int
    last_success: datetime | None
    #: time since the last success, or since the source was registered
    age: timedelta
    last_error: str | None


@dataclass(frozen=True, slots=True)
class HostShare:
    """A reader of a host. Whoever is alone keeps others out until `let_others_in` is called."""

    is_alone: bool
    let_others_in: Callable[[], object]


class Sources(Reads):
    """The sources that have ever been synced."""

    def register(self, name: str, kind: str) -> None:
        """Register a source."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("register_source"), {"name": name, "kind": kind})

    @contextmanager
    def locked(self, name: str, *, shared: bool = False) -> Iterator[bool]:
        """Hold the sync lock of a source while the block runs; yield whether it was free.

        :param shared: share the lock with other holders that share it, as the windows of a backfill do
        """
        with self._holding("share_source" if shared else "lock_source", [name], "share_every_source") as busy:
            yield busy is None

    @contextmanager
    def all_locked(self, names: Sequence[str]) -> Iterator[str | None]:
        """Hold the sync locks of every source, on one connection; yield the first source whose lock is taken.

        :param names: the sources that are known; one that is registered meanwhile cannot be synced either
        """
        with self._holding("lock_source", names, "lock_every_source") as busy:
            yield busy

    @contextmanager
    def _holding(self, lock: str, names: Sequence[str], lock_of_every: str) -> Iterator[str | None]:
        """Hold locks on a connection of their own; yield the first name whose lock is taken.

        They are not held on a connection of the pool, which may have fewer than there are sources.

        :param lock_of_every: a lock that stands for every source, taken after those of the names
        """
        with self._database.own_connection() as connection:
            connection.execute(self._queries.compose("begin"))
            wanted = [*((lock, name) for name in names), (lock_of_every, "another source")]
            for query, name in wanted:
                row = connection.execute(self._queries.compose(query), {"name": name}).fetchone()
                if not (row and row[0]):
                    yield name
                    return
            yield None

    @contextmanager
    def host_shared(self, host: str) -> Iterator[HostShare]:
        """Be known as one of those who read from a host, or wait for it, until the block or the process ends."""
        with self._database.own_connection() as connection:
            connection.execute(self._queries.compose("begin"))
            connection.execute(self._queries.compose("share_host"), {"host": host})
            connection.execute(self._queries.compose("savepoint"))
            row = connection.execute(self._queries.compose("lock_host"), {"host": host}).fetchone()
            share = HostShare(bool(row and row[0]), partial(connection.execute, self._queries.compose("to_savepoint")))
            if not share.is_alone:
                share.let_others_in()
            yield share

    def mark_synced(self, name: str) -> None:
        """Record that a source was synced successfully."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("mark_synced"), {"name": name})

    def mark_started(self, name: str) -> None:
        """Record that a sync has begun: if its process is killed, this is what `status` shows."""
        self._change("mark_started", {"name": name, "note": UNENDED})

    def mark_failed(self, name: str, error: str) -> None:
        """Record why a source could not be synced."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("mark_failed"), {"name": name, "error": storable(error)})

    def count_failure(self, name: str) -> None:
        """Count a failed run of a source, all its attempts included."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("count_failure"), {"name": name})

    def claim_alert(self, name: str, *, failures: int, age: timedelta) -> Incident | None:
        """Return the incident of a source to the first caller since its last success; None to later callers.

        :param failures: the number of failed runs since the last success that makes an incident
        :param age: a last success longer ago than this is an incident too
        """
        rows = self._rows("claim_alert", {"name": name, "failures": failures, "age": age})
        return Incident(name, *rows[0]) if rows else None

    def return_alert(self, name: str) -> None:
        """Give an incident back, because its alert could not be delivered; the next caller gets it."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("return_alert"), {"name": name})

    def delete(self, name: str) -> None:
        """Remove a source: its documents, their chunks in every index, and its sync state."""
        indexes = Indexes(self._database).all()
        with self._database.connection() as connection, connection.transaction():
            for index in indexes:
                tables = IndexTables(index).identifiers
                for query in ("delete_chunks_of_source", "delete_postings_of_source"):
                    connection.execute(self._queries.compose(query, tables), {"source": name})
            connection.execute(self._queries.compose("delete_source"), {"name": name})

    def exists(self, name: str) -> bool:
        """Return whether a source has ever been synced."""
        return bool(self._rows("has_source", {"name": name}))

    def status(self) -> list[SourceStatus]:
        """Return every source that was ever synced, with its counts."""
        with (
            self._database.connection() as connection,
            connection.cursor(row_factory=class_row(SourceStatus)) as cursor,
        ):
            return cursor.execute(self._queries.compose("source_status"), {"note": UNENDED}).fetchall()

    def last_success(self, names: Sequence[str]) -> dict[str, datetime | None]:
        """Return when sources were last synced successfully, by name; None: never."""
        return dict(self._rows("last_success", {"names": list(names)}))

    def cursor(self, source: str) -> dict[str, Any]:
        """Return how far a source has been synced; empty before the first sync."""
        rows = self._rows("cursor", {"source": source})
        return dict(rows[0][0]) if rows else {}


class SourceWrites(Writes):
    """The sources, inside a transaction."""

    def set_cursor(self, source: str, cursor: Mapping[str, Any]) -> None:
        """Move the cursor of a source; each kind of source defines the shape of its cursor."""
        self._run("set_cursor", {"source": source, "cursor": Jsonb(dict(cursor))})
