"""Work that is done in a thread ahead of its consumer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from rag.ingest.ahead import ahead


def test_a_consumer_that_waits_can_tell_so() -> None:
    told = threading.Event()

    def items() -> Iterator[int]:
        assert told.wait(30)
        yield 1

    assert list(ahead("items", items(), threading.Event(), waiting=told.set)) == [1]
