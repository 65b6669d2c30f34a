"""The lines of a file that the directive literalinclude selects."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["select_lines"]


def select_lines(lines: list[str], options: Mapping[str, str]) -> list[str]:
    """Return the lines that the options select; none if they select by the syntax of the language.

    :param lines: the whole file
    :param options: those of the directive: start-at, start-after, end-at, end-before, lines, dedent
    """
    if "pyobject" in options or "diff" in options:
        return []
    start = _find(lines, options.get("start-at") or options.get("start-after"), 0)
    if start is None:
        return []
    start += 1 if "start-after" in options else 0
    stop = _find(lines, options.get("end-at") or options.get("end-before"), start)
    if stop is None:
        return []
    if "end-at" in options or "end-before" in options:
        lines = lines[start : stop + (1 if "end-at" in options else 0)]
    else:
        lines = lines[start:]
    if wanted := options.get("lines"):
        lines = [line for first, last in _ranges(wanted, len(lines)) for line in lines[first - 1 : last]]
    return textwrap.dedent("\n".join(lines)).split("\n") if "dedent" in options else lines


def _find(lines: Sequence[str], text: str | None, start: int) -> int | None:
    """Return the index of the first line from `start` that contains a text; `start` for no text, None if not found."""
    if not text:
        return start
    return next((at for at in range(start, len(lines)) if text in lines[at]), None)


def _ranges(text: str, count: int) -> Iterator[tuple[int, int]]:
    """Read ranges of line numbers such as "1,3-5,20-"."""
    for part in text.replace(" ", "").split(","):
        if match := re.fullmatch(r"(\d*)(-?)(\d*)", part):
            first = int(match[1] or 1)
            yield first, int(match[3] or count) if match[2] else first
