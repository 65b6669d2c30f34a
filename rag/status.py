"""`python -m rag.status`: print the state of the database, index, sources and answers, and the masked settings."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from rag.command import CommandParser, print_json, run
from rag.engine import Engine

__all__ = ["main"]

# The number of stale answers in the text output.
_MOST_STALE = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the status."""
    parser = CommandParser(
        prog="python -m rag.status",
        description="Show the database, the index, every source and the settings.",
        examples=["python -m rag.status", "python -m rag.status --json"],
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _status, arguments)


def _status(options: argparse.Namespace) -> int:
    with Engine.open() as engine:
        status = engine.operations.status()
    if options.json:
        print_json(status)
    else:
        sys.stdout.write("\n".join(_lines(status)) + "\n")
    return 0


def _lines(status: dict[str, Any]) -> list[str]:
    database, index = status["database"], status["index"]
    where = "embedded" if database["embedded"] else f"external, schema {database['schema']}"
    lines = [f"Database  Postgres {database['postgres']} ({where}), pgvector {database['pgvector']}, "
             f"{_megabytes(database['bytes'])}"]  # fmt: skip
    if index:
        lines += [
            f"Index     {index['name']}: {index['documents']:,} documents, {index['chunks']:,} chunks, "
            f"{_megabytes(index['bytes'])}",
            f"Model     {index['embedding_model']}, {index['dimension']} dimensions",
        ]
    else:
        lines.append("Index     empty; fill it with: python -m flows.ingest")
    lines += ["", "Sources"]
    for source in status["sources"]:
        synced = source["last_success"] or "never"
        counts = f"{source['documents']:,} documents, {source['chunks']:,} chunks"
        lines.append(f"  {source['name']}  ({source['kind']})  {counts}, synced {synced[:19]}")
        if source["last_error"]:
            lines.append(f"    last error: {source['last_error']}")
    if not status["sources"]:
        lines.append("  none; add them to the sources file (RAG_SOURCES)")
    lines += ["", *_answer_lines(status["answers"]), "", "Settings"]
    lines += [f"  {name:<20} {'' if value is None else value}".rstrip() for name, value in status["settings"].items()]
    return lines


def _answer_lines(answers: dict[str, Any]) -> list[str]:
    lines = [
        f"Answers   {answers['logged']:,} logged, {answers['answered']:,} answered, "
        f"{answers['up']:,} up, {answers['down']:,} down, {answers['stale']:,} stale"
    ]
    if answers["answer_anew"]:
        lines.append("  questions to ask again, as the sources of their answers have changed:")
    shown = answers["answer_anew"][:_MOST_STALE]
    lines += [
        f"  {answer['stale_at'][:10]}  {textwrap.shorten(answer['question'], 100, placeholder=' …')}"
        for answer in shown
    ]
    if answers["stale"] > len(shown):
        lines.append(f"  and {answers['stale'] - len(shown):,} more; --json lists them all")
    return lines


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


if __name__ == "__main__":
    raise SystemExit(main())
