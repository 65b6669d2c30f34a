"""`python -m rag.remove NAME`: forget a source with all its documents."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rag.command import CommandParser, run
from rag.engine import Engine

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Forget a source."""
    parser = CommandParser(
        prog="python -m rag.remove",
        description="Remove a source from the index: its documents with their chunks, and what its syncs remember. "
        "Take its table out of sources.toml first, since the next ingest would read it again. Embeddings stay cached.",
        examples=["python -m rag.remove old-docs"],
    )
    parser.add_argument("name", metavar="NAME", help="a source that was ingested")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _remove, arguments)


def _remove(options: argparse.Namespace) -> int:
    with Engine.open() as engine:
        documents = engine.remove_source(options.name)
        path = engine.settings.sources_path
        still_there = path.exists() and options.name in {source.name for source in engine.settings.sources}
    if options.json:
        json.dump({"name": options.name, "documents": documents}, sys.stdout)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{options.name}: {documents:,} documents removed\n")
    if still_there:
        sys.stderr.write(f"It is still in {path}: the next ingest reads it again.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
