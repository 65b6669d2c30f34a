"""The web application, served on loopback with a real engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rag.engine import Engine
from tests.servers.memory_source import MemorySource
from tests.servers.web import PAGES, served


@pytest.fixture
def address(empty_engine: Engine) -> Iterator[str]:
    """The address of the page."""
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with served(empty_engine) as address:
        yield address


@pytest.fixture
def empty_address(empty_engine: Engine) -> Iterator[str]:
    """The address of the page with an empty index."""
    with served(empty_engine) as address:
        yield address
