"""What every command does the same way: arguments, one-line errors, exit codes, logs on stderr."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from rag.errors import RagError

__all__ = ["CommandParser", "print_json", "run"]

_ENVIRONMENT = """\
environment (or a .env file):
  RAG_HOME             where the embedded Postgres and caches live
  RAG_DATABASE_URL     use this Postgres instead of the embedded one
  RAG_SOURCES          the sources file (default: ./sources.toml)
  RAG_EMBEDDING_MODEL  local/all-MiniLM-L6-v2 (default), openai/NAME or ollama/NAME
  RAG_LLM              openai/NAME, ollama/NAME or extractive
  OPENAI_API_KEY, OPENAI_BASE_URL, GITHUB_TOKEN, RAG_GITHUB_API_URL
  RAG_LOG_ANSWERS, RAG_LOG_DAYS, RAG_LLM_PRICE, RAG_EVALUATION,
  RAG_ALERT_WEBHOOK, RAG_ALERT_FAILURES, RAG_RUN_ON"""


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and that knows `--debug`.

    :param examples: lines that `-h` shows, each a command that works as it stands
    """

    def __init__(self, *, prog: str, description: str, examples: Sequence[str]) -> None:
        shown = "\n".join(f"  {example}" for example in examples)
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{shown}\n\n{_ENVIRONMENT}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error, and more logs")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments and exit with 2."""
        self.exit(2, f"{self.prog}: {message} (-h shows how)\n")


def print_json(value: object) -> None:
    """Write one JSON object and a newline to stdout."""
    json.dump(value, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


def run(parser: CommandParser, command: Callable[[argparse.Namespace], int], arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code: an error's own, 130 when interrupted.

    A RagError is printed as one line on stderr; `--debug` lets it through with its traceback.
    """
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("rag").setLevel(logging.DEBUG if options.debug else logging.INFO)
    try:
        return command(options)
    except RagError as error:
        if options.debug:
            raise
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except BrokenPipeError:
        # The reader, `head` say, has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
