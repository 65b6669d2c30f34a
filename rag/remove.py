"""`python -m rag.remove NAME`: delete a source and its documents from the index."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rag.command import CommandParser, print_json, run
from rag.engine import Engine

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Delete a source."""
    parser = CommandParser(
        prog="python -m rag.remove",
        description="Delete a source: its documents, their chunks and its sync state. Remove it from sources.toml "
        "first, or the next ingest reads it again. Embeddings stay cached.",
        examples=["python -m rag.remove old-docs"],
    )
    parser.add_argument("name", metavar="NAME", help="an ingested source")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _remove, arguments)


def _remove(options: argparse.Namespace) -> int:
    with Engine.open() as engine:
        documents = engine.operations.remove_source(options.name)
        path = engine.settings.sources_path
        still_there = path.exists() and options.name in {source.name for source in engine.settings.sources}
    if options.json:
        print_json({"name": options.name, "documents": documents})
    else:
        sys.stdout.write(f"{options.name}: {documents:,} documents removed\n")
    if still_there:
        sys.stderr.write(f"{options.name} is still in {path}: the next ingest reads it again.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
