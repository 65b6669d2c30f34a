"""A terminal that a person reads: Markdown with colours, links and highlighted code, wrapped at words.

rich is imported only where there is such a terminal; a pipe gets the text as it is.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Screen", "has_person", "screen"]

# Longer lines are hard to read.
_WIDEST = 100
# Control characters of a source could move the cursor or rewrite the title of the window.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def has_person() -> bool:
    """Return whether a person reads stdout and writes stdin."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def screen() -> Screen | None:
    """Return the terminal that stdout is; None for a pipe or a file, and where colours are not wanted or not known."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return None
    return Screen()


class Screen:
    """Prints parts of an answer to stdout."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.theme import Theme

        self._console = console or Console(highlight=False)
        # rich puts code on black, which is a bar across a light terminal.
        self._console.push_theme(Theme({"markdown.code": "bold cyan"}))
        self._width = min(_WIDEST, self._console.width)

    def markdown(self, text: str, *, indent: int = 0) -> None:
        """Print Markdown, followed by an empty line."""
        from rich.markdown import Markdown
        from rich.padding import Padding

        # Ordinary ANSI colours, which the user's theme makes readable on its background.
        shown = Markdown(_CONTROL.sub("", text), code_theme="ansi_dark")
        self._console.print(Padding(shown, (0, 0, 0, indent)), width=self._width)
        self._console.print()

    def line(self, text: str, style: str = "", *, indent: int = 0, link: str | None = None) -> None:
        """Print text wrapped at words, or a link, which is never broken."""
        from rich.padding import Padding
        from rich.text import Text

        clean = _CONTROL.sub("", text)
        if link:
            shown = Text.assemble(" " * indent, (clean, f"{style} link {_CONTROL.sub('', link)}"))
            self._console.print(shown, soft_wrap=True)
        else:
            self._console.print(Padding(Text(clean, style), (0, 0, 0, indent)), width=self._width)
