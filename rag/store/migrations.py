"""Migrations: sql/migrations, applied in order, each with its ledger row in one transaction."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from rag.errors import DatabaseError
from rag.store.queries import Queries
from rag.text.lines import one_line

__all__ = ["migrate"]

Connection = psycopg.Connection[TupleRow]


def migrate(connection: Connection, folder: Path, queries: Queries) -> list[str]:
    """Apply the migrations that the database has not seen, each with its ledger row in one transaction.

    Safe when several processes start at once: they take turns under an advisory lock.

    :returns: the names of the migrations applied
    :raises DatabaseError: a migration failed, or an applied one has been edited
    """
    files = sorted(folder.glob("[0-9]*.sql"))
    known = _ledger(connection, queries)
    if known.keys() >= {path.stem for path in files}:
        _refuse_edited(files, known)
        return []
    applied = []
    connection.execute(queries.compose("lock_migrations"))
    try:
        connection.execute(queries.compose("create_ledger"))
        known = _ledger(connection, queries)
        _refuse_edited(files, known)
        for path in files:
            if path.stem not in known:
                with connection.transaction():
                    connection.execute(path.read_bytes())
                    connection.execute(
                        queries.compose("add_to_ledger"), {"name": path.stem, "checksum": _checksum(path)}
                    )
                applied.append(path.stem)
    except psycopg.Error as error:
        raise DatabaseError(
            f"The database cannot be migrated: {one_line(error).rstrip('.')}. {_migration_hint(error)}"
        ) from error
    finally:
        if not connection.closed:
            connection.execute(queries.compose("unlock_migrations"))
    return applied


def _ledger(connection: Connection, queries: Queries) -> dict[str, str]:
    exists = connection.execute(queries.compose("has_ledger")).fetchone()
    if not exists or not exists[0]:
        return {}
    return dict(connection.execute(queries.compose("ledger")).fetchall())


def _refuse_edited(files: list[Path], known: dict[str, str]) -> None:
    for path in files:
        if path.stem in known and known[path.stem] != _checksum(path):
            raise DatabaseError(
                f"Migration {path.name} was edited after it had been applied. "
                "Restore it, and put the change into a new one."
            )


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _migration_hint(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "Let a superuser run CREATE EXTENSION vector; in that database, then try again."
    if isinstance(error, (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported)):
        return "Install pgvector on that server (the image pgvector/pgvector has it)."
    return "The database is as it was."
