"""Databases of the tests of the store."""

from __future__ import annotations

import psycopg
import pytest


@pytest.fixture
def empty_dsn(server_dsn: str, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    name = f"empty_{abs(hash(request.node.name))}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return psycopg.conninfo.make_conninfo(server_dsn, dbname=name)
