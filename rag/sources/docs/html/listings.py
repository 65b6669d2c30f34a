"""Code that is not in a pre, or in a table beside its line numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from lxml.etree import _Element as Element

from rag.sources.docs.html.blocks import caption, write_code
from rag.sources.docs.html.boilerplate import Part, part_of
from rag.sources.docs.html.code import language_of, preformatted
from rag.sources.docs.html.elements import text_of
from rag.sources.docs.html.walk import Handler, Walk

__all__ = ["BY_PART", "is_code_table", "write_code_table"]

#: The id of the number of a line, as in #L12.
_LINE_ID = re.compile(r"^(?:L|line-?)\d+$")


def _listing(walk: Walk, element: Element) -> None:
    # The lines are elements, and one that is empty holds a blank so that it is shown.
    lines = (line if line.strip() else "" for line in preformatted(element).split("\n"))
    write_code(walk, "\n".join(lines), language_of(element), element)


def is_code_table(rows: Sequence[Element]) -> bool:
    """Return whether a table holds code beside its line numbers."""
    return any(len(row) > 1 and any(map(_is_gutter, row)) for row in rows[:3])


def _is_gutter(cell: Element) -> bool:
    if cell.tag not in ("td", "th"):
        return False
    if part_of(cell) is Part.BOILERPLATE:
        return True
    if _LINE_ID.match(cell.get("id") or "") and text_of(cell).strip().isdecimal():
        return True
    pre = next(cell.iter("pre", "code"), None)
    return pre is not None and pre.tag == "pre" and _is_count(text_of(cell).split())


def _is_count(numbers: Sequence[str]) -> bool:
    """Return whether words are numbers that count lines."""
    if len(numbers) < 2 or not all(number.isdecimal() and len(number) < 8 for number in numbers):
        return False
    return all(int(after) == int(before) + 1 for before, after in pairwise(numbers))


def write_code_table(walk: Walk, table: Element, rows: Sequence[Element]) -> None:
    """Write the code of a table: a row for all of it, or a row for each line."""
    for title in table.iterfind(".//th"):
        if not _is_gutter(title):
            caption(walk, title)
    cells = [cell for row in rows for cell in row if cell.tag == "td" and not _is_gutter(cell)]
    numbered = sum(1 for row in rows if any(map(_is_gutter, row)))
    if numbered > 1:
        write_code(walk, "\n".join(map(preformatted, cells)), language_of(table), table)
        return
    for cell in cells:
        for listing in list(cell.iter("pre")) or [cell]:
            write_code(walk, preformatted(listing), language_of(listing), listing)


BY_PART: dict[Part, Handler] = {Part.LISTING: _listing}
