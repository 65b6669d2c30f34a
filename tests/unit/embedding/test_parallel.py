"""Work in several threads keeps its order and its errors, and does not hold up the end of the process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from rag.embedding.parallel import in_parallel


def test_results_are_in_the_order_of_the_items() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 / (number + 1))
        return number * number

    assert in_parallel(slow_first, range(20), threads=4) == [number * number for number in range(20)]
    assert in_parallel(slow_first, [], threads=4) == []


def test_an_error_is_raised_and_what_is_left_is_not_done() -> None:
    done = []

    def fail_at_three(number: int) -> None:
        if number == 3:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="3"):
        in_parallel(fail_at_three, range(1000), threads=1)
    assert done == [0, 1, 2]


def test_a_process_that_ends_finishes_only_what_is_under_way() -> None:
    program = """
import threading, time
from rag.embedding.parallel import in_parallel

begun = threading.Event()

def work(number):
    begun.set()
    time.sleep(0.5)
    print("finished", number, flush=True)

run = lambda: print("returned", in_parallel(work, range(1000), threads=2, grace=10), flush=True)
threading.Thread(target=run, daemon=True).start()
begun.wait()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert 1 <= ended.stdout.count("finished") <= 2
    assert "returned" not in ended.stdout
