"""Databases for tests: cloned from a migrated template, and emptied to be used again.

Emptying takes a tenth of the time of cloning and dropping. A database whose schema a test has changed is dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations' ORDER BY tablename"
_END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
# Tables, columns, indexes, sequences and functions by their names and definitions, and which migrations were applied.
_SCHEMA = """
SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
    SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) AS part
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum <> 0 AND c.relkind IN ('r', 'p')
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', proname, md5(prosrc)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT extname || extversion FROM pg_extension
    UNION ALL SELECT name || checksum FROM migrations
)
"""


class Databases:
    """Lends databases that are like a template.

    :param server_dsn: the connection string of a superuser
    :param prefix: what the names of the databases start with
    """

    def __init__(self, server_dsn: str, template: str, prefix: str) -> None:
        self._server_dsn, self._template, self._prefix = server_dsn, template, prefix
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        # For emptying: a connection knows the tables of its database, which a new one would look up again.
        self._connections: dict[str, psycopg.Connection] = {}
        with psycopg.connect(self.dsn(template), autocommit=True) as connection:
            self._tables = {name for (name,) in connection.execute(_TABLES)}
            self._schema = connection.execute(_SCHEMA).fetchone()
        self._server = psycopg.connect(server_dsn, autocommit=True)

    def dsn(self, name: str) -> str:
        """Return the connection string of a database."""
        return psycopg.conninfo.make_conninfo(self._server_dsn, dbname=name)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend a database while the block runs."""
        name = self._free.pop() if self._free else self._create()
        try:
            yield self.dsn(name)
        finally:
            self._take_back(name)

    def close(self) -> None:
        """Disconnect; the databases go with their server."""
        for connection in (self._server, *self._connections.values()):
            connection.close()

    def _create(self) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _take_back(self, name: str) -> None:
        try:
            is_as_new = self._emptied(name)
        except psycopg.Error:
            is_as_new = False
        if is_as_new:
            self._free.append(name)
        else:
            self._drop(name)

    def _emptied(self, name: str) -> bool:
        connection = self._connections.get(name)
        if connection is None or connection.broken:
            connection = self._connections[name] = psycopg.connect(self.dsn(name), autocommit=True)
        connection.execute(_END_OTHERS)
        found = {table for (table,) in connection.execute(_TABLES)}
        statements = [sql.SQL("SET session_replication_role = replica")]  # foreign keys are not checked
        statements += [sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(it)) for it in found - self._tables]
        statements += [sql.SQL("DELETE FROM {}").format(sql.Identifier(it)) for it in found & self._tables]
        connection.execute(sql.SQL("; ").join(statements))
        connection.execute(_SEQUENCES)
        return connection.execute(_SCHEMA).fetchone() == self._schema

    def _drop(self, name: str) -> None:
        if connection := self._connections.pop(name, None):
            connection.close()
        self._server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
