"""`python -m rag.move --to postgresql://…`: copy everything into another Postgres."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rag.command import CommandParser, run
from rag.engine import Engine
from rag.store.database import Database
from rag.store.store import Store

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy everything into another Postgres."""
    parser = CommandParser(
        prog="python -m rag.move",
        description="Copy sources, documents, indexes and cached embeddings into another Postgres with pgvector, from "
        "the embedded one or that of RAG_DATABASE_URL. The other one must hold no source yet. Questions are answered "
        "meanwhile; syncs wait. Nothing is removed here. Afterwards set RAG_DATABASE_URL to the new address.",
        examples=[
            "python -m rag.move --to postgresql://rag@db.internal/rag",
            "PGPASSWORD=… python -m rag.move --to postgresql://rag@localhost:5432/rag --json",
        ],
    )
    parser.add_argument(
        "--to", required=True, metavar="URL", help="the other Postgres; PGPASSWORD may hold the password"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _move, arguments)


def _move(options: argparse.Namespace) -> int:
    with Engine.open() as engine, Database(options.to, embedded=False) as target:
        copied = engine.copy_to(Store(target), progress=_say)
    if options.json:
        json.dump({"rows": copied}, sys.stdout)
        sys.stdout.write("\n")
    else:
        total = sum(copied.values())
        sys.stdout.write(f"{total:,} rows of {len(copied)} tables copied. Set RAG_DATABASE_URL to the new address.\n")
    return 0


def _say(table: str) -> None:
    sys.stderr.write(f"{table}\n")


if __name__ == "__main__":
    raise SystemExit(main())
