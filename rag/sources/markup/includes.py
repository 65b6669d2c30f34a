"""Code that a Markdown file takes from other files, as mdBook and VitePress write it, and lines that mdBook hides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

__all__ = ["SNIPPET", "Included", "expanded", "markdown_target", "shown_rust", "snippet_target"]

#: Returns the text of a file whose code the file includes, or None if there is none.
Included = Callable[[str], str | None]

_INCLUDE = re.compile(
    r"^[ \t]*\{\{\s*#(?:include|rustdoc_include|playground|playpen|shiftinclude(?:\s+auto)?)\s+"
    r"([^\s{}:]+)(?::([\w:-]*))?[^{}\n]*\}\}[ \t]*$"
)
#: A line of VitePress that shows the code of a file.
SNIPPET = re.compile(
    r"^[ \t]*<<<[ \t]*(?P<path>[^\s{}\[\]#]+)(?:#[\w-]+)?[ \t]*(?:\{[^{}\n]*\})?[ \t]*"
    r"(?:\[(?P<title>[^\]\n]*)\])?[ \t]*$"
)
_ANCHOR = re.compile(r"\bANCHOR(_END)?:\s*([\w-]+)")


def expanded(code: Sequence[str], included: Included) -> Iterator[str]:
    """Yield lines of code with the files that they include; an include that leads nowhere is left out."""
    for line in code:
        match = _INCLUDE.match(line) if "{{" in line else None
        if match is None:
            yield line
        elif (found := included(match[1])) is not None:
            yield from _selected(found.rstrip("\n").split("\n"), match[2] or "")


def _selected(lines: list[str], part: str) -> list[str]:
    """Return the lines that `2:10`, `:10`, `2:`, `2` or the name of an anchor selects."""
    if not part.strip(":"):
        return [line for line in lines if not _ANCHOR.search(line)]
    if re.fullmatch(r"\d{0,7}:?\d{0,7}", part):
        first, colon, last = part.partition(":")
        start = int(first or 1)
        return lines[max(start - 1, 0) : int(last) if last else None if colon else start]
    chosen: list[str] = []
    is_inside = False
    for line in lines:
        if mark := _ANCHOR.search(line):
            is_inside = not mark[1] if mark[2] == part else is_inside
        elif is_inside:
            chosen.append(line)
    return chosen


def shown_rust(code: Sequence[str]) -> Iterator[str]:
    """Yield the lines of Rust that readers see: rustdoc and mdBook hide those that begin with "# "."""
    for line in code:
        bare = line.lstrip()
        if bare.startswith("##"):
            yield line.replace("##", "#", 1)
        elif bare != "#" and not bare.startswith("# "):
            yield line


def markdown_target(line: str) -> str | None:
    """Return the path of the Markdown file that a line of mdBook puts here; None for any other line."""
    match = _INCLUDE.match(line) if "{{" in line else None
    return match[1] if match and match[1].endswith(".md") else None


def snippet_target(line: str) -> tuple[str, str] | None:
    """Return the path and title of the file that a line of VitePress shows; None for any other line."""
    match = SNIPPET.match(line) if "<<<" in line else None
    return (match["path"].removeprefix("@"), match["title"] or "") if match else None
