"""Where a stream of changes is cut into batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rag.ingest import batches as module
from rag.ingest.batches import batches
from rag.sources import Change
from tests.servers.memory_source import MemorySource, page

PAGES = [page(f"page-{number}", "Text.") for number in range(6)]


def pages() -> Iterator[Change]:
    return MemorySource(PAGES).changes(full=False)


def sizes(changes: Iterator[Change], *, characters: int = 1_000_000) -> list[int]:
    return [len(batch.changes) for batch in batches(changes, threading.Event(), characters=characters)]


def test_changes_that_come_quickly_share_a_batch() -> None:
    assert sizes(pages()) == [6]


def test_a_batch_ends_at_its_number_of_characters() -> None:
    assert sizes(pages(), characters=10) == [2, 2, 2]


def test_changes_that_come_slowly_are_committed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_READ", 0.0)  # whatever comes is late
    assert sizes(pages()) == [1] * 6
