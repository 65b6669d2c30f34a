"""`python -m rag.database stop`: stop the embedded Postgres."""

from __future__ import annotations

import argparse
import sys

from rag.command import CommandParser, run
from rag.settings import load_settings
from rag.store.postgres.embedded import stop_embedded

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Stop the embedded Postgres."""
    parser = CommandParser(
        prog="python -m rag.database",
        description="Stop the embedded Postgres, which the first command starts and which keeps running.",
        examples=["python -m rag.database stop"],
    )
    parser.add_argument("action", choices=["stop"], help="stop the server")
    return run(parser, _stop, arguments)


def _stop(_options: argparse.Namespace) -> int:
    stopped = stop_embedded(load_settings().home)
    sys.stderr.write("stopped\n" if stopped else "not running\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
