"""HTML pages as Markdown: find the content of a page, and write it without the boilerplate around it."""

from rag.sources.docs.html.compose import is_streamed
from rag.sources.docs.html.content import Content, read_content
from rag.sources.docs.html.encoding import NotHtmlError, decode
from rag.sources.docs.html.head import Head, read_head

__all__ = ["Content", "Head", "NotHtmlError", "decode", "is_streamed", "read_content", "read_head"]
