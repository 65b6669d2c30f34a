"""`python -m rag.move --to postgresql://…`: copy the whole database to another Postgres."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rag.command import CommandParser, print_json, run
from rag.engine import Engine
from rag.store.postgres.database import Database

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the database."""
    parser = CommandParser(
        prog="python -m rag.move",
        description="Copy sources, documents, indexes and cached embeddings from the current Postgres (embedded, or "
        "RAG_DATABASE_URL) to another one with pgvector, which must have no sources yet. The original is not changed: "
        "questions are still answered from it, and syncs wait. Set RAG_DATABASE_URL to the new URL afterwards.",
        examples=[
            "python -m rag.move --to postgresql://rag@db.internal/rag",
            "PGPASSWORD=… python -m rag.move --to postgresql://rag@localhost:5432/rag --json",
        ],
    )
    parser.add_argument(
        "--to", required=True, metavar="URL", help="the URL of the other Postgres; PGPASSWORD may hold its password"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _move, arguments)


def _move(options: argparse.Namespace) -> int:
    with Engine.open() as engine, Database(options.to, embedded=False) as target:
        copied = engine.operations.copy_to(target, progress=_print_progress)
    if options.json:
        print_json({"rows": copied})
    else:
        total = sum(copied.values())
        sys.stdout.write(f"{total:,} rows of {len(copied)} tables copied. Set RAG_DATABASE_URL to the new URL.\n")
    return 0


def _print_progress(table: str) -> None:
    sys.stderr.write(f"{table}\n")


if __name__ == "__main__":
    raise SystemExit(main())
