"""Say that Prefect is starting, before it is imported: the import takes seconds."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["announce"]


def announce(command: str) -> None:
    """Say on a terminal that Prefect is starting, if the module of a command is run and not only imported.

    :param command: such as "ingest"; it is run as `python -m flows.ingest` or as `rag-ingest`
    """
    called = Path(sys.argv[0]).name.removesuffix(".exe") if sys.argv else ""
    wants_help = bool({"-h", "--help"} & set(sys.argv))
    if called in (f"{command}.py", f"rag-{command}") and sys.stderr.isatty() and not wants_help:
        sys.stderr.write("starting Prefect\n")
        sys.stderr.flush()
