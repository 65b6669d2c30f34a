"""Processes that read text from outside: without the environment, which holds secrets, and without Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import rag

__all__ = ["start_reading"]

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR", "SYSTEMROOT")


def start_reading(module: str) -> subprocess.Popen[bytes]:
    """Start a module of this program as a process that reads standard input and writes to standard output."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join((str(Path(rag.__file__).parents[1]), *filter(None, sys.path)))
    return subprocess.Popen(  # noqa: S603 - a module of our own
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
