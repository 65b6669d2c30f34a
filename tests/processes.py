"""Commands that run beside a test, and end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]

#: What a process may take to end after SIGTERM before it is killed.
_SECONDS_TO_END = 30


@contextmanager
def running(
    module: str, *arguments: str, environment: Mapping[str, str], **pipes: Any
) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m MODULE …` from the checkout while the block runs; then end it and everything it started.

    :param pipes: stdout and stderr, as for `Popen`
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        start_new_session=True,
        **pipes,
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Terminate a process that leads a group; kill the group if the process does not end in time."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_SECONDS_TO_END)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the stderr of a process until a line holds a text; return what was read.

    :raises AssertionError: the process has ended before
    """
    assert process.stderr
    said = ""
    while text not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def wait_for(look: Callable[[], T], *, seconds: float, else_show: Callable[[], str]) -> T:
    """Look until something is found, and return it.

    :raises AssertionError: nothing was found in time; says what `else_show` returns
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, else_show()
        time.sleep(0.1)
    return found
