"""A reply without end takes no more than its limit of memory.

The long form is `python -m bench endless`, for each kind of reply.
"""

from __future__ import annotations

import pytest

from bench.faults.endless import CHILD_LIMIT_MB, LIMIT_MB, peak


@pytest.mark.slow
@pytest.mark.parametrize("place", ["issues", "capabilities", "an answer"])
def test_a_reply_without_end_takes_limited_memory(server_dsn: str, place: str) -> None:
    own, child, wrong = peak(server_dsn, place, "chunks without end")
    assert not wrong
    # The process itself has 250 MB at most.
    assert own < 250 + LIMIT_MB
    assert child < CHILD_LIMIT_MB
