"""The common part of every command: arguments, one-line errors, exit codes, JSON on stdout, logs on stderr."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from rag.errors import RagError

__all__ = ["CommandParser", "date_argument", "number_argument", "print_json", "run"]


_FULL = (errno.ENOSPC, errno.EDQUOT)


class CommandParser(argparse.ArgumentParser):
    """An argument parser with `--debug`, one-line errors, and a help that ends with examples and the settings.

    :param prog: such as "python -m rag.ask"; an installed command, such as rag-ask, goes by its own name
    :param examples: complete commands, shown by `-h`
    :param interrupted: what Ctrl-C says
    """

    def __init__(
        self, *, prog: str, description: str, examples: Sequence[str], interrupted: str = "interrupted"
    ) -> None:
        called = Path(sys.argv[0]).name.removesuffix(".exe") if sys.argv else ""
        module = " ".join(prog.split()[:3])
        name = called if called.startswith("rag-") else module
        super().__init__(
            prog=prog.replace(module, name),
            description=description.replace(module, name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._examples = [example.replace(module, name) for example in examples]
        self.interrupted = interrupted
        self.add_argument("--debug", action="store_true", help="show the traceback of an error, and more logs")

    def format_help(self) -> str:
        """Return the help text; only this imports the settings."""
        examples = "\n".join(f"  {example}" for example in self._examples)
        # The formatter keeps the lines of the examples, and so those of the description.
        self.description = textwrap.fill(self.description or "", _width(), break_on_hyphens=False)
        self.epilog = f"examples:\n{examples}\n\n{_settings_help()}"
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with 2."""
        self.exit(2, f"error: {message} (see {self.prog} -h)\n")


def date_argument(text: str) -> date:
    """Return a day that was written as YYYY-MM-DD, as argparse's `type`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date (YYYY-MM-DD)") from None


def number_argument(text: str) -> int:
    """Return a whole number, as argparse's `type`; the command checks its range."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def print_json(value: object) -> None:
    """Print a value on stdout as one line of JSON."""
    sys.stdout.write(f"{json.dumps(value, ensure_ascii=False)}\n")


def _width() -> int:
    """Return the width of a help text, as argparse chooses it; at least 50."""
    return max(shutil.get_terminal_size().columns - 2, 50)


def _settings_help() -> str:
    from rag.settings import Settings

    lines = ["settings (environment variables, or a .env file):"]
    for setting in Settings.declared():
        default = "" if setting.default == "unset" else f" (default: {setting.default})"
        text = f"{setting.description}{default}".replace("`", "")
        indent = " " * 23
        lines += textwrap.wrap(
            text,
            _width(),
            initial_indent=f"  {setting.name:<20} ",
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def run(parser: CommandParser, command: Callable[[argparse.Namespace], int], arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code: 0, the `exit_code` of a `RagError`, or 130 if interrupted.

    A `RagError` is printed on stderr as one line; `--debug` raises it instead. A closed stdout ends it quietly, a full
    disk below it with a line and 1.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell, as by `>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    try:
        try:
            return _run(parser.parse_args(_encodable(parser, arguments)), command, parser.interrupted)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of stdout, such as `head`, has exited
        _write_no_more()
        return 0
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _write_no_more()
        sys.stderr.write(f"error: The output could not be written: {error.strerror}.\n")
        return 1


def _write_no_more() -> None:
    """Give stdout to the null device: the interpreter's own flush at exit would report the error again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encodable(parser: CommandParser, arguments: Sequence[str] | None) -> Sequence[str]:
    given = sys.argv[1:] if arguments is None else arguments
    for argument in given:
        # Python keeps the bytes of such an argument as lone surrogates, which no database and no model can read.
        if any("\ud800" <= character <= "\udfff" for character in argument):
            shown = argument.encode("utf-8", "backslashreplace").decode()
            parser.error(f"the argument {shown} is not UTF-8; set LANG to a UTF-8 locale, or correct it")
    return given


def _run(options: argparse.Namespace, command: Callable[[argparse.Namespace], int], interrupted: str) -> int:
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("rag").setLevel(logging.DEBUG if options.debug else logging.INFO)
    from rag.net.proxies import keep_loopback_from_proxies
    from rag.trust.logs import mask_logs
    from rag.trust.urls import shown_in

    mask_logs()
    keep_loopback_from_proxies()
    try:
        return command(options)
    except RagError as error:
        if options.debug:
            raise
        sys.stderr.write(f"error: {shown_in(str(error))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"{interrupted}\n")
        return 130
