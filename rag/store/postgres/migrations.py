"""Migrations: sql/migrations, applied in order, each with its ledger row in one transaction."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from rag.errors import ConfigurationError, DatabaseError
from rag.store.postgres.queries import Queries
from rag.text.lines import one_line

__all__ = ["ledger", "lock_migrations", "migrate", "migration_hint"]

Connection = psycopg.Connection[TupleRow]

_ELSEWHERE = (
    "It belongs to another program. Use another schema: run CREATE SCHEMA support_engine_2; and append "
    "?options=-csearch_path%3Dsupport_engine_2,public to RAG_DATABASE_URL."
)


def migrate(connection: Connection, folder: Path, queries: Queries) -> list[str]:
    """Apply the migrations that the database has not seen, each with its ledger row in one transaction.

    Safe when several processes start at once: they take turns under an advisory lock.

    :returns: the names of the migrations applied
    :raises DatabaseError: a migration failed, or an applied one has been edited
    """
    files = sorted(folder.glob("[0-9]*.sql"))
    known = ledger(connection, queries)
    if known and known.keys().isdisjoint(path.stem for path in files):
        raise ConfigurationError(f"The database has a table called migrations already. {_ELSEWHERE}")
    if known.keys() >= {path.stem for path in files}:
        _refuse_edited(files, known)
        return []
    applied: list[str] = []
    try:
        # The lock ends with the transaction, even if the connection is lost or shared.
        with connection.transaction():
            lock_migrations(connection, queries)
            applied, error = _apply_new(connection, files, queries)
    except psycopg.errors.InsufficientPrivilege as refused:
        error = refused
    if error:
        hint = migration_hint(connection, error, queries)
        raise DatabaseError(f"The database cannot be migrated: {one_line(error).rstrip('.')}. {hint}") from error
    return applied


def _apply_new(connection: Connection, files: list[Path], queries: Queries) -> tuple[list[str], psycopg.Error | None]:
    """Apply the migrations that are new; return their names, and the error that ended them."""
    connection.execute(queries.compose("create_ledger"))
    known = ledger(connection, queries)
    _refuse_edited(files, known)
    applied: list[str] = []
    for path in files:
        if path.stem not in known:
            try:
                _apply(connection, path, queries)
            except psycopg.Error as error:
                # Those before it are kept. A lost connection keeps nothing: leaving the transaction fails.
                return applied, error
            applied.append(path.stem)
    return applied, None


def _apply(connection: Connection, path: Path, queries: Queries) -> None:
    with connection.transaction():
        connection.execute(path.read_bytes())
        connection.execute(queries.compose("add_to_ledger"), {"name": path.stem, "checksum": _checksum(path)})


def lock_migrations(connection: Connection, queries: Queries) -> None:
    """Let other processes wait that would change the schema, until the transaction ends."""
    connection.execute(queries.compose("lock_migrations"))


def ledger(connection: Connection, queries: Queries) -> dict[str, str]:
    """Return the checksums of the applied migrations, by name.

    :raises ConfigurationError: the table of migrations is another program's
    """
    exists = connection.execute(queries.compose("has_ledger")).fetchone()
    if not exists or not exists[0]:
        return {}
    try:
        return dict(connection.execute(queries.compose("ledger")).fetchall())
    except psycopg.errors.UndefinedColumn:
        raise ConfigurationError(f"The database has a table called migrations already. {_ELSEWHERE}") from None


def _refuse_edited(files: list[Path], known: dict[str, str]) -> None:
    for path in files:
        if path.stem in known and known[path.stem] != _checksum(path):
            raise DatabaseError(
                f"Migration {path.name} was edited after it had been applied. "
                "Restore it, and put the change into a new one."
            )


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def migration_hint(connection: Connection, error: psycopg.Error, queries: Queries) -> str:
    """Return what to do about an error of a migration, as a sentence."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        schema, role, may_create, has_pgvector = connection.execute(queries.compose("may_create")).fetchall()[0]
        if may_create or not has_pgvector:
            return "Let a superuser run CREATE EXTENSION vector; in that database, then try again."
        return f"Let its owner run GRANT CREATE ON SCHEMA {schema} TO {role}; in that database, then try again."
    if isinstance(error, (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported)):
        return "Install pgvector on that server (the image pgvector/pgvector has it)."
    if isinstance(error, (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject)):
        return _ELSEWHERE
    return "The database is as it was."
