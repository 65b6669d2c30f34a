"""reStructuredText as Markdown."""

from __future__ import annotations

from rag.sources.markup.anchors import Anchors, Slug, github
from rag.sources.markup.markdown import Links, Text, tidy
from rag.sources.markup.rst.parser import TooSlowError, parse
from rag.sources.markup.rst.writer import Writer

__all__ = ["UnparsableError", "read_rst"]


class UnparsableError(Exception):
    """A file cannot be parsed; the message says why."""


def read_rst(source: str, *, links: Links | None = None, slug: Slug = github) -> Text:
    """Read a .rst file; comments, targets and tables of contents, which readers do not see, are left out.

    :param links: resolves links; by default links that are not absolute are replaced by their text
    :param slug: the host's rule for the anchors of headings
    :raises UnparsableError: the file takes more than a minute to parse, is nested too deeply, or breaks the parser
    """
    try:
        links = links or Links()
        document = parse(source.replace("\0", "").lstrip("\ufeff"), links.included)
        writer = Writer(document, links, Anchors(slug))
        blocks = list(writer.blocks(document.children))
    except TooSlowError as error:
        raise UnparsableError(str(error)) from error
    except RecursionError:
        raise UnparsableError("it is nested too deeply") from None
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # docutils fails on some input with whatever error its code runs into; only that file is skipped.
        raise UnparsableError(f"docutils cannot parse it: {type(error).__name__} {error}".rstrip()) from error
    return Text(writer.title, tidy("\n\n".join(blocks).split("\n")), anchors=writer.anchors, labels=writer.labels)
