"""Docs sites: crawl the pages under a start address and read them as Markdown."""

from rag.sources.docs.fetch import Limits
from rag.sources.docs.source import DocsSource

__all__ = ["DocsSource", "Limits"]
