"""Docs sites: crawl the pages under a start address and read them as Markdown."""

from rag.sources.docs.crawl import DocsSource
from rag.sources.docs.fetch import Limits

__all__ = ["DocsSource", "Limits"]
