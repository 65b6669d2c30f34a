"""Tables: as Markdown tables where each cell fits on a line, else row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from lxml.etree import SubElement
from lxml.etree import _Element as Element

from rag.sources.docs.html.blocks import caption, number
from rag.sources.docs.html.boilerplate import HEADINGS, Part
from rag.sources.docs.html.code import preformatted
from rag.sources.docs.html.listings import is_code_table, write_code_table
from rag.sources.docs.html.walk import Handler, Walk
from rag.text.lines import one_line

__all__ = ["BY_PART", "BY_TAG"]

_MAX_ROWSPAN = 1000
_MAX_COLSPAN = 50

#: The cells of a table by row; None where a cell spans several columns.
_Grid = list[list[Element | None]]


def _table(walk: Walk, element: Element) -> None:
    rows = [row for row in element.iter("tr") if next(row.iterancestors("table")) is element]
    if is_code_table(rows):
        write_code_table(walk, element, rows)
        return
    walk.writer.flush()
    walk.note_anchor(element)
    for title in element.findall("caption"):
        caption(walk, title)
    if not rows:
        walk.children(element)
        walk.writer.flush()
        return
    above = element.getparent()
    if above is not None and "colist" in (above.get("class") or "").split():
        _write_callouts(walk, rows)
        return
    if "memname" in (element.get("class") or "").split():
        _write_signature(walk, element)
        return
    if element.get("role") == "presentation":
        _write_rows(walk, *_grid(rows))
        return
    is_layout = _is_complex(element)
    if not _holds_heading(element):
        _write_group(walk, rows, is_layout=is_layout)
        return
    for heading, group in _groups(rows):
        if heading is not None:
            walk.block(heading)
        if group:
            _write_group(walk, group, is_layout=is_layout or _holds_sections(group))


def _groups(rows: Sequence[Element]) -> Iterator[tuple[Element | None, list[Element]]]:
    """Yield the rows below each row that is a heading over all columns, with the cell of that heading."""
    heading: Element | None = None
    group: list[Element] = []
    for row in rows:
        cells = _cells(row)
        if len(cells) == 1 and cells[0].get("colspan", "1") != "1" and _holds_heading(cells[0]):
            if heading is not None or group:
                yield heading, group
            heading, group = cells[0], []
        else:
            group.append(row)
    yield heading, group


def _cells(row: Element) -> list[Element]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _holds_heading(element: Element) -> bool:
    return next(element.iter(*HEADINGS), None) is not None


def _write_group(walk: Walk, rows: list[Element], *, is_layout: bool) -> None:
    heads, grid = _grid(rows)
    width = max((len(row) for row in grid), default=0)
    walk.writer.write_label()
    body = grid[heads:]
    if width < 2 or (is_layout and (heads != 1 or 2 * sum(map(_is_complex_row, body)) >= len(body))):
        _write_rows(walk, heads, grid)
    elif not is_layout:
        _write_table(walk, heads, grid, width)
    else:
        # The few rows with code of several lines, or tables of their own, interrupt the table.
        for is_complex, part in groupby(body, key=_is_complex_row):
            if is_complex:
                _write_rows(walk, heads, [*grid[:heads], *part])
            else:
                _write_table(walk, heads, [*grid[:heads], *part], width)


def _is_complex_row(row: Sequence[Element | None]) -> bool:
    return any(cell is not None and (_is_complex(cell) or _holds_heading(cell)) for cell in row)


def _holds_sections(rows: Iterable[Element]) -> bool:
    """Return whether a cell holds a heading of its own, not the name of its column or row."""
    has_heads = False
    for row in rows:
        cells = _cells(row)
        named = [cell for cell in cells if cell.tag == "td" and _holds_heading(cell)]
        names_row = has_heads and not any(map(_holds_blocks, set(cells) - set(named)))
        if named and not all(map(_is_only_heading, named if names_row else cells)):
            return True
        has_heads = has_heads or (bool(cells) and all(cell.tag == "th" for cell in cells))
    return False


def _is_only_heading(cell: Element) -> bool:
    children = [child for child in cell if type(child.tag) is str]
    return not one_line(cell.text or "") and all(child.tag in HEADINGS for child in children)


def _write_signature(walk: Walk, element: Element) -> None:
    """Write the declaration of a function, which Doxygen lays out in cells."""
    walk.writer.write_paragraph(" ".join(filter(None, (walk.text(cell) for cell in element.iter("td")))))


def _write_callouts(walk: Walk, rows: Sequence[Element]) -> None:
    """Write what Asciidoctor says about the numbered lines of code: the numbers stand in the first column."""
    for label, text in (cells[:2] for row in rows if len(cells := _cells(row)) > 1):
        position = walk.text(label, is_bold=True).strip("()")
        marker = f"{position}. " if position.isdecimal() else "- "
        with walk.writer.indented(marker, " " * len(marker)):
            walk.children(text)
            walk.writer.finish_block()
    walk.writer.end_list()


def _grid_of_elements(walk: Walk, element: Element) -> None:
    """Write a table that is made of other elements: ARIA roles name its rows and cells, or Javadoc's classes."""
    rows = [row for row in element.iter("*") if row.get("role") == "row"]
    cells = [cell for cell in element.iter("*") if cell.get("role") in _CELL_TAGS]
    if rows and cells:
        for row in rows:
            row.tag = "tr"
        for cell in cells:
            cell.tag = _CELL_TAGS[cell.get("role")]
            row = next((above for above in cell.iterancestors("tr")), None)
            if row is not None and cell.getparent() is not row:
                row.append(cell)
    else:
        _lay_out(element)
    element.tag = "table"
    element.attrib.pop("role", None)
    _table(walk, element)


def _lay_out(element: Element) -> None:
    """Give the cells of Javadoc's summaries, which follow each other without rows, their rows."""
    cells = [cell for cell in element if type(cell.tag) is str]
    width = sum(1 for cell in cells if "table-header" in (cell.get("class") or "")) or len(cells)
    for start in range(0, len(cells), width or 1):
        row = SubElement(element, "tr")
        for cell in cells[start : start + width]:
            cell.tag = "th" if "table-header" in (cell.get("class") or "") else "td"
            row.append(cell)


def _write_table(walk: Walk, heads: int, grid: _Grid, width: int) -> None:
    texts: dict[Element, str] = {}
    lines = []
    for row in grid:
        cells = []
        for cell in row:
            if cell is not None and cell not in texts:
                texts[cell] = walk.text(cell, joint="<br>").replace("|", "\\|")
            cells.append("" if cell is None else texts[cell])
        if not any(cells):
            continue
        cells += [""] * (width - len(cells))
        lines.append(f"| {' | '.join(cells)} |")
    if not heads:
        lines.insert(0, "|" + "   |" * width)
    if not lines:
        return
    # A Markdown table has one head row; others become rows of the body.
    lines.insert(1, "|" + " --- |" * width)
    walk.writer.write_verbatim("\n".join(lines))


def _write_rows(walk: Walk, heads: int, grid: _Grid) -> None:
    """Write the cells one after the other, each below the head of its column."""
    labels = [walk.text(cell, is_bold=True) if cell is not None else "" for cell in grid[0]] if heads == 1 else []
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
        cells = _cells(row)
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
    if next(table.iterdescendants("table"), None) is not None:
        return True
    if any("\n" in preformatted(pre) for pre in table.iter("pre")):
        return True
    if any(next(code.iter("br"), None) is not None for code in table.iter("code")):
        return True
    return any(len(listing) > 1 for listing in table.iter("div") if listing.get("class") == "fragment")


def _holds_blocks(cell: Element) -> bool:
    return any(
        child.tag in ("pre", "table", "ul", "ol", "dl", "div") or child.tag in HEADINGS
        for child in cell.iter("*")
        if child is not cell
    )


_CELL_TAGS = {"cell": "td", "gridcell": "td", "columnheader": "th", "rowheader": "th"}
BY_TAG: dict[str, Handler] = {"table": _table}
BY_PART: dict[Part, Handler] = {Part.GRID: _grid_of_elements}
