"""Jupyter notebooks: the text of their Markdown cells, their code, and the text of its output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rag.sources.markup.anchors import Slug, github
from rag.sources.markup.code import fenced
from rag.sources.markup.markdown import Links, Text, read_markdown
from rag.text.blocks import open_fence
from rag.text.lines import one_line

__all__ = ["NotebookError", "read_notebook"]

#: The longest output of a cell, in characters: the rest of a long log or table tells little more.
_LONGEST_OUTPUT = 4_000
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")
_LANGUAGES = {"ipython": "python", "python3": "python", "ir": "r", "c++": "cpp", "node": "javascript"}
_HIDDEN_CELL = frozenset({"remove-cell", "remove_cell"})
_HIDDEN_INPUT = frozenset({"remove-input", "remove_input"})
_HIDDEN_OUTPUT = frozenset({"remove-output", "remove_output"})


class NotebookError(Exception):
    """A file is no notebook; the message says why."""


def read_notebook(source: str, *, links: Links | None = None, slug: Slug = github) -> Text:
    """Read an .ipynb file, of a repository or of a site.

    :param links: resolves links; by default links that are not absolute are replaced by their text
    :param slug: the host's rule for the anchors of headings
    :raises NotebookError: the file is not JSON, or has no cells
    """
    try:
        notebook = json.loads(source.lstrip("\ufeff"), parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise NotebookError("the file is not a Jupyter notebook: it is not valid JSON") from None
    cells = _cells(notebook)
    if cells is None:
        raise NotebookError("the file is not a Jupyter notebook: it has no cells")
    language = _language(_mapping(notebook.get("metadata")))
    parts = [part for cell in cells for part in _parts(_mapping(cell), language)]
    return read_markdown("\n\n".join(parts), links=links, slug=slug)


def _cells(notebook: object) -> list[object] | None:
    """Return the cells of a notebook; before version 4, they stand in its worksheets."""
    if not isinstance(notebook, dict):
        return None
    found = notebook.get("cells")
    if found is None and isinstance(notebook.get("worksheets"), list):
        found = [cell for sheet in notebook["worksheets"] for cell in _list(_mapping(sheet).get("cells"))]
    return found if isinstance(found, list) else None


def _language(metadata: Mapping[str, Any]) -> str:
    named = _mapping(metadata.get("kernelspec")).get("language"), _mapping(metadata.get("language_info")).get("name")
    found = next((name.lower() for name in named if isinstance(name, str) and name), "python")
    return re.sub(r"[^\w+#.-].*", "", _LANGUAGES.get(found, found))


def _parts(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    """Yield what readers see of a cell, as Markdown."""
    metadata = _mapping(cell.get("metadata"))
    tags = {tag for tag in _list(metadata.get("tags")) if isinstance(tag, str)}
    kind, text = cell.get("cell_type"), _joined(cell.get("source", cell.get("input")))
    if tags & _HIDDEN_CELL:
        return
    if kind == "markdown" or (
        kind == "raw" and metadata.get("format", metadata.get("raw_mimetype")) == "text/markdown"
    ):
        yield _closed(text)
    elif kind == "heading":
        level = str(cell.get("level", "1"))
        yield f"{'#' * min(int(level) if level.isdecimal() and len(level) < 3 else 1, 6)} {one_line(text)}"
    elif kind == "code":
        own = cell.get("language")
        if text.strip() and not tags & _HIDDEN_INPUT:
            yield fenced(text.strip("\n"), own if isinstance(own, str) and own.isalnum() else language)
        if not tags & _HIDDEN_OUTPUT:
            yield from _outputs(_list(cell.get("outputs")))


def _outputs(outputs: list[object]) -> Iterator[str]:
    """Yield the text that code printed, returned or raised; parts of one stream are one text."""
    printed: list[str] = []
    for output in map(_mapping, outputs):
        if output.get("output_type") == "stream":
            printed.append(_joined(output.get("text")))
            continue
        yield from _shown("".join(printed))
        printed = []
        if output.get("output_type") in ("error", "pyerr"):
            yield from _shown(": ".join(filter(None, (_joined(output.get("ename")), _joined(output.get("evalue"))))))
            continue
        data = _mapping(output.get("data", output))
        if markdown := _joined(data.get("text/markdown")):
            yield _closed(markdown[:_LONGEST_OUTPUT])
        elif plain := _joined(data.get("text/plain", data.get("text"))):
            yield from _shown(plain)
        elif html := _joined(data.get("text/html", data.get("html")))[:_LONGEST_OUTPUT]:
            # Without a blank line, since one would end the block of HTML.
            yield "\n".join(("<div>", *(line for line in html.split("\n") if line.strip()), "</div>"))
    yield from _shown("".join(printed))


def _shown(text: str) -> Iterator[str]:
    # A progress bar rewrites its line: only its last state is seen.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in _TERMINAL_CODES.sub("", text).split("\n"))
    shown = "\n".join(lines).strip("\n")
    if shown.strip():
        yield fenced(shown if len(shown) <= _LONGEST_OUTPUT else f"{shown[:_LONGEST_OUTPUT]}\n…", "text")


def _closed(markdown: str) -> str:
    """Return the text of a cell, with a fence closed that would run on into the next cell."""
    fence = None
    for line in markdown.split("\n"):
        if fence is None:
            fence = open_fence(line, nested=True)
        elif fence.is_closed_by(line):
            fence = None
    return f"{markdown}\n{' ' * len(fence.before)}{fence.mark}" if fence else markdown


def _joined(value: object) -> str:
    """Return a text that notebooks write as a string or as a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
