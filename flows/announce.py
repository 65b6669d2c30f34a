"""Say that Prefect is starting, before it is imported: the import takes seconds, which Ctrl-C may end."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

__all__ = ["announce"]


def announce(command: str) -> None:
    """Say on a terminal that Prefect is starting, if the module of a command is run and not only imported.

    :param command: such as "ingest"; it is run as `python -m flows.ingest` or as `rag-ingest`
    """
    called = Path(sys.argv[0]).name.removesuffix(".exe") if sys.argv else ""
    if called not in (f"{command}.py", f"rag-{command}"):
        return
    sys.excepthook = _excepthook
    if sys.stderr.isatty() and not {"-h", "--help"} & set(sys.argv):
        sys.stderr.write("starting Prefect\n")
        sys.stderr.flush()


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in a line, as the command does once it runs, that Ctrl-C has ended the import."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted: nothing was read yet; run the command again to continue\n")
    else:
        sys.__excepthook__(kind, error, trace)
