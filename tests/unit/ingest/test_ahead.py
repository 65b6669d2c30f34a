"""Work that is done in a thread ahead of its consumer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rag.ingest.ahead import ahead
from tests.processes import wait_for


def test_a_consumer_that_waits_can_tell_so() -> None:
    told = threading.Event()

    def items() -> Iterator[int]:
        assert told.wait(30)
        yield 1

    assert list(ahead("items", items(), threading.Event(), waiting=told.set)) == [1]


def test_no_item_is_begun_before_there_is_room_for_it() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            yield number

    stopped = threading.Event()
    taken = ahead("items", items(), stopped, items=2)
    assert next(taken) == 0
    wait_for(lambda: len(begun) >= 3, seconds=30, else_show=lambda: f"begun: {begun}")
    time.sleep(0.3)  # time enough for a fourth
    assert begun == [0, 1, 2]
    stopped.set()
    taken.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("The second is missing.")

    taken = ahead("items", items(), threading.Event())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="second"):
        next(taken)
