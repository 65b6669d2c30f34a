"""The formats of text files, and one function that reads any of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from rag.sources.markup.anchors import Slug
from rag.sources.markup.markdown import Links, Text, read_markdown

__all__ = ["Format", "UnreadableTextError", "format_of", "read_text"]


class UnreadableTextError(Exception):
    """A file cannot be read; the message says why."""


class Format(StrEnum):
    """How a file is read."""

    MARKDOWN = "Markdown"
    MDX = "MDX"
    RST = "reStructuredText"
    NOTEBOOK = "Jupyter notebook"


_BY_SUFFIX = {".mdx": Format.MDX, ".rst": Format.RST, ".rest": Format.RST, ".ipynb": Format.NOTEBOOK}


def format_of(path: str) -> Format:
    """Return the format of a file by its suffix; text of any other suffix is read as Markdown."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower(), Format.MARKDOWN)


def read_text(kind: Format, source: str, links: Links, slug: Slug) -> Text:
    """Read a file.

    :param links: resolves links
    :param slug: the host's rule for the anchors of headings
    :raises UnreadableTextError: the file breaks its parser
    """
    if kind is Format.RST:
        from rag.sources.markup.rst import UnparsableError, read_rst

        try:
            return read_rst(source, links=links, slug=slug)
        except UnparsableError as error:
            raise UnreadableTextError(str(error)) from error
    if kind is Format.NOTEBOOK:
        from rag.sources.markup.notebook import NotebookError, read_notebook

        try:
            return read_notebook(source, links=links, slug=slug)
        except NotebookError as error:
            raise UnreadableTextError(str(error)) from error
    try:
        return read_markdown(source, links=links, slug=slug, mdx=kind is Format.MDX)
    except RecursionError:
        raise UnreadableTextError("it is nested too deeply") from None
