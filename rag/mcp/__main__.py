"""`python -m rag.mcp`: serve the tools over standard input and output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rag.command import CommandParser, run

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until standard input ends."""
    parser = CommandParser(
        prog="python -m rag.mcp",
        description="Serve the index to an editor or an assistant: an MCP server over standard input and output. "
        "`python -m rag.web` serves the same tools at /mcp.",
        examples=[
            "python -m rag.mcp",
            "claude mcp add docs --env PYTHONPATH=/path/to/support-engine -- /path/to/.venv/bin/python -m rag.mcp",
        ],
    )
    return run(parser, _serve, arguments)


def _serve(_options: argparse.Namespace) -> int:
    import anyio

    from rag.engine import Engine
    from rag.mcp.server import create_server
    from rag.service import Service

    if sys.stdin.isatty():
        sys.stderr.write("Waiting for an MCP client on standard input; Ctrl-C stops.\n")
    with Engine.open() as engine:
        anyio.run(create_server(Service(engine)).run_stdio_async)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
