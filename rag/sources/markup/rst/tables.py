"""Write a table of a reStructuredText file as Markdown.

A cell that spans rows is repeated in each of them, one that spans columns is followed by empty ones. Markdown has no
cells with code, so a table that holds code is written cell by cell, each under the heading of its column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from docutils import nodes

from rag.text.lines import one_line

__all__ = ["table"]

#: the blocks of a cell
Cell: TypeAlias = list[str]


def table(node: nodes.table, blocks_of: Callable[[nodes.entry], Cell]) -> Iterator[str]:
    """Yield a table as one block of Markdown, or as the blocks of its cells.

    :param blocks_of: writes the content of a cell
    """
    heads = _rows((row for head in node.findall(nodes.thead) for row in head.children), blocks_of)
    body = _rows((row for part in node.findall(nodes.tbody) for row in part.children), blocks_of)
    if any(_is_long(cell) for row in (*heads, *body) for cell in row):
        yield from _rows_as_blocks(heads, body)
        return
    width = max((len(row) for row in (*heads, *body)), default=0)
    if not width:
        return
    first = [
        " ".join(filter(None, dict.fromkeys(_flat(row[at]) if at < len(row) else "" for row in heads)))
        for at in range(width)
    ]
    rows = [[_flat(cell) for cell in row] + [""] * (width - len(row)) for row in body]
    yield "\n".join(f"| {' | '.join(line)} |" for line in (first, ["---"] * width, *rows))


def _rows(rows: Iterable[nodes.Node], blocks_of: Callable[[nodes.entry], Cell]) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    spanning: dict[int, tuple[int, Cell]] = {}  # column: (rows left, blocks)
    for row in rows:
        cells: list[Cell] = []
        for entry in row.children:
            _fill(cells, spanning)
            blocks = blocks_of(entry)
            for column in range(entry.get("morecols", 0) + 1):
                shown = [] if column else blocks
                if more := entry.get("morerows", 0):
                    spanning[len(cells)] = (more, shown)
                cells.append(shown)
        _fill(cells, spanning)
        found.append(cells)
    return found


def _fill(cells: list[Cell], spanning: dict[int, tuple[int, Cell]]) -> None:
    """Append the cells that span from the rows above into the next columns of a row."""
    while found := spanning.pop(len(cells), None):
        left, blocks = found
        if left > 1:
            spanning[len(cells)] = (left - 1, blocks)
        cells.append(blocks)


def _flat(cell: Sequence[str]) -> str:
    return one_line(" ".join(cell)).replace("|", "\\|")


def _is_long(cell: Sequence[str]) -> bool:
    return any(block.lstrip().startswith(("```", "|")) for block in cell)


def _rows_as_blocks(heads: Sequence[Sequence[Cell]], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    titles = [
        " ".join(dict.fromkeys(part)) for part in zip(*([_flat(cell) for cell in row] for row in heads), strict=False)
    ]
    for row in rows:
        for at, cell in enumerate(row):
            if at < len(titles) and titles[at] and cell:
                yield f"**{titles[at]}:**"
            yield from cell
