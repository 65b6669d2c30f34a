"""Run a module as a child process that ends with its parent: `python -P child.py MODULE ARGUMENT …`.

The parent holds the other end of the child's stdin. The operating system closes it when the parent ends, even if the
parent was killed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

_SECONDS_TO_STOP = 10.0


def _end_with_parent(stdin: int) -> None:
    while os.read(stdin, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SECONDS_TO_STOP)
    os._exit(1)


if __name__ == "__main__":
    # What the module itself starts must not read, or keep open, the parent's pipe.
    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with_parent, args=(pipe,), name="parent", daemon=True).start()
    # Behind all other places, so that nothing here hides a package.
    sys.path.append(str(Path(__file__).parents[2]))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
