"""The schema of this program's tables, in a database that other programs may use, too.

The tables have common names, such as documents and migrations. They are in a schema of their own, so that they collide
with no other program's, whichever came first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from rag.errors import ConfigurationError, DatabaseError
from rag.store.postgres.migrations import ledger, lock_migrations, migration_hint
from rag.store.postgres.queries import Queries
from rag.text.lines import one_line

__all__ = ["OWN_SCHEMA", "Schema", "open_schema"]

Connection = psycopg.Connection[TupleRow]

OWN_SCHEMA = "support_engine"
_FIRST_MIGRATION = "0001_documents_and_indexes"


@dataclass(frozen=True, slots=True)
class Schema:
    """Where the tables are.

    :param is_own: whether each connection has to put it on its search path
    """

    name: str
    is_own: bool

    @classmethod
    def found(cls, connection: Connection, queries: Queries) -> Schema:
        """Return the first schema of the connection, whatever is in it."""
        return cls(_state(connection, queries).schema or "public", is_own=False)

    def search(self, connection: Connection, queries: Queries) -> None:
        """Make a connection find the tables."""
        if self.is_own:
            connection.execute(queries.compose("search_schema"), {"own": self.name})


class _State(NamedTuple):
    """What `schema_choice` selects."""

    schema: str | None
    is_chosen: bool
    has_ledger: bool
    own_exists: bool
    may_create_schema: bool
    may_create_tables: bool
    database: str
    role: str


def open_schema(connection: Connection, queries: Queries) -> Schema:
    """Return the schema of the tables; create it in a database that has none.

    It is the one that the connection string chooses, or the one in which an earlier version made its tables, or else
    support_engine. A role that may not create a schema, but tables, uses the schema in which it may.

    :raises DatabaseError: there is none, and the role may not create it
    """
    state = _state(connection, queries)
    if state.is_chosen:
        if state.schema is None:
            raise ConfigurationError(
                "No schema that the search_path of RAG_DATABASE_URL names exists. Create it with CREATE SCHEMA."
            )
        return Schema(state.schema, is_own=False)
    if state.schema and state.has_ledger and _FIRST_MIGRATION in ledger(connection, queries):
        return Schema(state.schema, is_own=False)
    if not state.own_exists and not state.may_create_schema:
        if state.schema and state.may_create_tables:
            return Schema(state.schema, is_own=False)
        raise DatabaseError(
            f"The database cannot be migrated: the role may not create the schema {OWN_SCHEMA}. "
            f"Let its owner run {_grant('CREATE ON DATABASE', state.database, state.role)}; then try again."
        )
    own = Schema(OWN_SCHEMA, is_own=True)
    if not state.own_exists:
        _make(connection, queries, state.schema)
    own.search(connection, queries)
    # A schema that the role may not use is left out of its search path.
    if _state(connection, queries).schema != OWN_SCHEMA:
        raise DatabaseError(
            f"The role may not use the schema {OWN_SCHEMA}, where the tables are. "
            f"Let its owner run {_grant('USAGE ON SCHEMA', OWN_SCHEMA, state.role)}; in that database, then try again."
        )
    return own


def _state(connection: Connection, queries: Queries) -> _State:
    return _State(*connection.execute(queries.compose("schema_choice"), {"own": OWN_SCHEMA}).fetchall()[0])


def _make(connection: Connection, queries: Queries, here: str | None) -> None:
    try:
        with connection.transaction():
            lock_migrations(connection, queries)
            if here:
                connection.execute(queries.compose("make_extension"))
            connection.execute(queries.compose("make_schema", {"own": sql.Identifier(OWN_SCHEMA)}))
    except psycopg.Error as error:
        hint = migration_hint(connection, error, queries)
        raise DatabaseError(f"The database cannot be migrated: {one_line(error).rstrip('.')}. {hint}") from error


def _grant(right: str, name: str, role: str) -> str:
    statement = sql.SQL("GRANT {right} {name} TO {role}")
    names = {"right": sql.SQL(right), "name": sql.Identifier(name), "role": sql.Identifier(role)}
    return statement.format(**names).as_string()
