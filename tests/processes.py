"""Commands that run during a test and end with it."""

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

#: Seconds between SIGTERM and SIGKILL, and from there to the end.
_SECONDS_TO_END = 30


@contextmanager
def running(
    module: str, *arguments: str, environment: Mapping[str, str], **pipes: Any
) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m MODULE …` from the checkout during the block; then end it and the processes it started.

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
    # A run of a worker is in a session of its own and may hold the pipes open.
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_SECONDS_TO_END)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read and return the stderr of a process up to the line that contains a text.

    :raises AssertionError: the process ended without writing the text
    """
    assert process.stderr
    said = ""
    while text not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def wait_for(look: Callable[[], T | None], *, seconds: float, else_show: Callable[[], str], pause: float = 0.1) -> T:
    """Call `look` until its result is true, and return the result.

    :param else_show: makes the message of the error
    :param pause: seconds between two looks; longer if a look keeps other processes busy
    :raises AssertionError: no result was true in time
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, else_show()
        time.sleep(pause)
    return found
