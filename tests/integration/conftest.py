"""A site that many tests ask: made once, because each would take a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from rag.engine import Engine
from rag.settings import Settings
from tests.browser import chromium
from tests.databases import Databases
from tests.encoders import RememberingEncoder
from tests.servers.memory_source import MemorySource
from tests.servers.web import PAGES, served

OpenEngine = Callable[..., Engine]


@pytest.fixture(scope="session")
def open_engine(databases: Databases, home: Path, encoder: RememberingEncoder) -> Iterator[OpenEngine]:
    """Open engines over one filled index, each with settings of its own: `open_engine(RAG_WEB_PUBLIC=True)`."""
    with databases.lend() as dsn, ExitStack() as stack:

        def opened(**settings: Any) -> Engine:
            given = Settings(_env_file=None, RAG_HOME=home, RAG_DATABASE_URL=dsn, RAG_SOURCES=home / "none", **settings)
            return stack.enter_context(Engine.open(given, encoder=encoder))

        opened().syncs.ingest(MemorySource(PAGES))
        yield opened


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser for tests with the mark `xdist_group("browser")`."""
    # A page may take seconds on a busy machine.
    with chromium(tmp_path_factory.mktemp("profile"), size="900,1000", wait=20) as chrome:
        yield chrome


@pytest.fixture(scope="session")
def site_engine(open_engine: OpenEngine) -> Engine:
    """An engine over the filled index."""
    return open_engine()


@pytest.fixture(scope="session")
def site(site_engine: Engine) -> Iterator[str]:
    """The address of a server on loopback, where everything is open."""
    with served(site_engine) as address:
        yield address
