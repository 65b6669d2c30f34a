"""Deadlines of blocks."""

from __future__ import annotations

import threading

from rag.store.postgres.deadlines import Deadlines

_SECONDS = 60


def test_a_block_that_takes_too_long_is_told_before_one_with_more_time() -> None:
    deadlines, told, early = Deadlines(), threading.Event(), threading.Event()
    with deadlines.within(_SECONDS, early.set), deadlines.within(0.01, told.set):
        assert told.wait(_SECONDS)
    assert not early.is_set()


def test_a_block_that_ended_in_time_is_not_told() -> None:
    deadlines, told, later = Deadlines(), threading.Event(), threading.Event()
    with deadlines.within(0.05, told.set):
        pass
    with deadlines.within(0.1, later.set):
        assert later.wait(_SECONDS)
    assert not told.is_set()


def test_a_deadline_that_passes_leaves_the_others_watched() -> None:
    deadlines, first, second = Deadlines(), threading.Event(), threading.Event()
    with deadlines.within(0.01, first.set), deadlines.within(0.02, second.set):
        assert first.wait(_SECONDS)
        assert second.wait(_SECONDS)


def test_all_blocks_are_watched_by_one_thread() -> None:
    deadlines, before = Deadlines(), watching()
    for _ in range(20):
        with deadlines.within(_SECONDS, lambda: None), deadlines.within(_SECONDS, lambda: None):
            assert watching() == before + 1


def watching() -> int:
    return sum(thread.name == "deadlines" for thread in threading.enumerate())
