"""Tables: as Markdown tables where each cell fits on a line, else row by row."""

from __future__ import annotations

from lxml.etree import _Element as Element

from rag.sources.docs.html.blocks import caption, code, number
from rag.sources.docs.html.code import preformatted
from rag.sources.docs.html.walk import Handler, Walk

__all__ = ["BY_TAG"]

_MAX_ROWSPAN = 1000
_MAX_COLSPAN = 50

#: The cells of a table by row; None where a cell spans several columns.
_Grid = list[list[Element | None]]


def _table(walk: Walk, element: Element) -> None:
    if "highlighttable" in (element.get("class") or ""):
        _code_table(walk, element)
        return
    walk.writer.flush()
    walk.note_anchor(element)
    for title in element.findall("caption"):
        caption(walk, title)
    rows = [row for row in element.iter("tr") if next(row.iterancestors("table")) is element]
    if not rows:
        walk.children(element)
        walk.writer.flush()
        return
    walk.writer.write_label()
    heads, grid = _grid(rows)
    width = max((len(row) for row in grid), default=0)
    if element.get("role") == "presentation" or width < 2 or _is_complex(element):
        _write_rows(walk, heads, grid)
    else:
        _write_table(walk, heads, grid, width)


def _code_table(walk: Walk, element: Element) -> None:
    """Write code that stands in a table beside its line numbers."""
    for title in element.iterfind(".//th"):
        caption(walk, title)
    for pre in element.iter("pre"):
        if not any("linenos" in (above.get("class") or "") for above in pre.iterancestors("td", "div")):
            code(walk, pre)


def _write_table(walk: Walk, heads: int, grid: _Grid, width: int) -> None:
    texts: dict[Element, str] = {}
    lines = []
    for row in grid:
        cells = []
        for cell in row:
            if cell is not None and cell not in texts:
                texts[cell] = walk.text(cell, joint="<br>").replace("|", "\\|")
            cells.append("" if cell is None else texts[cell])
        cells += [""] * (width - len(cells))
        lines.append(f"| {' | '.join(cells)} |")
    if not heads:
        lines.insert(0, "|" + "   |" * width)
    # A Markdown table has one head row; others become rows of the body.
    lines.insert(1, "|" + " --- |" * width)
    walk.writer.write_verbatim("\n".join(lines))


def _write_rows(walk: Walk, heads: int, grid: _Grid) -> None:
    """Write the cells one after the other, each below the head of its column."""
    labels = [walk.text(cell) if cell is not None else "" for cell in grid[0]] if heads == 1 else []
    is_single = all(len(row) < 2 for row in grid)
    for row in grid[heads:]:
        for position, cell in enumerate(row):
            if cell is None:
                continue
            if not is_single and position < len(labels) and labels[position]:
                walk.writer.set_label(labels[position], ":**", " ")
            if is_single and not _holds_blocks(cell):
                walk.note_anchor(cell)
                walk.writer.write_paragraph(walk.text(cell, joint="\n"))
                continue
            walk.block(cell)
            walk.writer.write_label()


def _grid(rows: list[Element]) -> tuple[int, _Grid]:
    """Lay out the cells: a cell is repeated in each row that it spans, and followed by None in the columns.

    :returns: how many rows at the top are heads, and the rows
    """
    heads = 0
    grid: _Grid = []
    #: cells that reach down into the next rows, by column: how many rows are left, and the cell
    spanning: dict[int, tuple[int, Element]] = {}
    for row in rows:
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        if not cells and not spanning:
            continue
        if len(grid) == heads and _is_head(row, cells):
            heads += 1
        line: list[Element | None] = []
        for cell in cells:
            _extend_down(line, spanning)
            rowspan = min(number(cell.get("rowspan")) or 1, _MAX_ROWSPAN)
            if rowspan > 1:
                spanning[len(line)] = (rowspan - 1, cell)
            line.append(cell)
            line.extend([None] * (min(number(cell.get("colspan")) or 1, _MAX_COLSPAN) - 1))
        _extend_down(line, spanning)
        grid.append(line)
    return (heads if heads < len(grid) else 0), grid


def _extend_down(line: list[Element | None], spanning: dict[int, tuple[int, Element]]) -> None:
    """Repeat in a row the cells that reach down into its next columns."""
    while (found := spanning.get(column := len(line))) is not None:
        rows_left, cell = found
        if rows_left > 1:
            spanning[column] = (rows_left - 1, cell)
        else:
            del spanning[column]
        line.append(cell)


def _is_head(row: Element, cells: list[Element]) -> bool:
    parent = row.getparent()
    return (parent is not None and parent.tag == "thead") or all(cell.tag == "th" for cell in cells)


def _is_complex(table: Element) -> bool:
    """Return whether a cell holds a table or code of several lines."""
    if table.find(".//table") is not None:
        return True
    return any("\n" in preformatted(pre) for pre in table.iter("pre"))


def _holds_blocks(cell: Element) -> bool:
    return any(
        child.tag in ("pre", "table", "ul", "ol", "dl", "div", "h2", "h3", "h4")
        for child in cell.iter("*")
        if child is not cell
    )


BY_TAG: dict[str, Handler] = {"table": _table}
