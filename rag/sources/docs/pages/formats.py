"""The formats of pages, and the reading of a body in each."""

from __future__ import annotations

import re
from enum import StrEnum

from rag.sources.docs.pages.page import NotHtmlError, Page, decode, read_page
from rag.sources.docs.pages.robots_tag import directives
from rag.sources.docs.urls import Scope, file_suffix
from rag.sources.markup.markdown import Text, read_markdown
from rag.sources.markup.notebook import NotebookError, read_notebook
from rag.text.anchors import split_anchor
from rag.text.blocks import is_heading, lines_with_code

__all__ = ["MARKDOWN_TYPES", "Format", "format_of", "markdown_links", "may_be_page", "read_body"]

MARKDOWN_TYPES = frozenset({"text/markdown", "text/x-markdown"})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_XML_TYPES = frozenset({"application/xml", "text/xml"})
#: what servers call a file whose type they do not know
_UNKNOWN_TYPES = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})
_JSON_TYPES = frozenset({"application/json", "application/x-ipynb+json", "text/json"})
_MARKDOWN_NAME = re.compile(r"\.(?:md|mdx|markdown|mdown)$", re.IGNORECASE)
_NOTEBOOK_NAME = re.compile(r"\.ipynb$", re.IGNORECASE)
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|h1|div|p)\b", re.IGNORECASE)
_XHTML_START = re.compile(rb"<html\b", re.IGNORECASE)
_SNIFFED_BYTES = 2_048
_LINK = re.compile(r"(?<!!)\[[^\[\]]*\]\(<?([^\s()<>]+)")
_CODE_SPAN = re.compile(r"`[^`]*`")


class Format(StrEnum):
    """The format of a page."""

    HTML = "html"
    MARKDOWN = "markdown"
    NOTEBOOK = "notebook"


def may_be_page(url: str, content_type: str) -> bool:
    """Return whether the body of a response is worth reading, by its address and its media type."""
    path = url.partition("?")[0]
    if content_type in _HTML_TYPES | _XML_TYPES | MARKDOWN_TYPES or not content_type:
        return True
    if content_type in _UNKNOWN_TYPES:
        return bool(_MARKDOWN_NAME.search(path) or _NOTEBOOK_NAME.search(path))
    return content_type in _JSON_TYPES and bool(_NOTEBOOK_NAME.search(path))


def format_of(url: str, content_type: str, body: bytes) -> Format | None:
    """Return the format of a page, None if the body is not a page.

    The media type decides; the address and the body do where servers often send a wrong one.
    """
    path = url.partition("?")[0]
    start = body[:_SNIFFED_BYTES]
    if content_type in MARKDOWN_TYPES:
        return Format.MARKDOWN
    if content_type in _HTML_TYPES:
        return Format.MARKDOWN if _MARKDOWN_NAME.search(path) and not _HTML_START.search(start) else Format.HTML
    if content_type in _XML_TYPES:
        return Format.HTML if _XHTML_START.search(start) else None
    if _MARKDOWN_NAME.search(path) and content_type in _UNKNOWN_TYPES:
        return Format.HTML if start.lstrip()[:1] == b"<" and _XHTML_START.search(start) else Format.MARKDOWN
    if _NOTEBOOK_NAME.search(path):
        return Format.NOTEBOOK if start.lstrip()[:1] == b"{" else None
    if not content_type and (not file_suffix(path) or _HTML_START.search(start)):
        return Format.HTML
    return None


def read_body(
    body: bytes, *, url: str, content_type: str, charset: str | None, robots: str, scope: Scope
) -> Page | None:
    """Read a body as a page; None if it is not a page.

    :param url: the address that it was fetched from
    :param charset: the encoding that the Content-Type header names
    :param robots: the X-Robots-Tag headers, one a line
    :param scope: decides which links are followed
    :raises NotHtmlError: the body is not what its type says
    """
    found = format_of(url, content_type, body)
    rules = directives(robots)
    if found is Format.HTML:
        return read_page(body, url=url, charset=charset, robots=",".join(sorted(rules)), link=scope.link)
    if found is None:
        return None
    source = decode(body, charset)
    text = read_markdown(source) if found is Format.MARKDOWN else _notebook(source)
    return _page_of(text, source, url, scope, noindex=bool(rules & {"noindex", "none"}))


def _notebook(source: str) -> Text:
    try:
        return read_notebook(source)
    except NotebookError as error:
        raise NotHtmlError(str(error)) from None


def _page_of(text: Text, source: str, url: str, scope: Scope, *, noindex: bool) -> Page:
    """Return a page that exists only as a file; its headings get no anchors, since no page has them."""
    links = dict.fromkeys(place for href in markdown_links(source) if (place := scope.link(href, url)))
    links.pop(url, None)
    lines: list[str] = []
    title = ""
    for line, is_code in lines_with_code(text.markdown.split("\n"), nested=True):
        if is_heading(line) and not is_code:
            lines.append(split_anchor(line)[0])
            title = title or (lines[-1].removeprefix("# ") if line.startswith("# ") else "")
        else:
            lines.append(line)
    return Page(
        title or text.title or url.rstrip("/").rpartition("/")[2],
        "\n".join(lines),
        tuple(links),
        canonical=None,
        refresh=None,
        noindex=noindex,
        fragments=frozenset(),
        words=len(source.split()),
    )


def markdown_links(source: str) -> list[str]:
    """Return the targets of the links in a Markdown page, without those in code."""
    found: list[str] = []
    for line, is_code in lines_with_code(source.split("\n"), nested=True):
        if not is_code:
            found += _LINK.findall(_CODE_SPAN.sub("", line))
    return found
