"""Docs sites: crawl the pages under a start address and read them as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.sources.docs.fetching.fetch import Limits
    from rag.sources.docs.source import DocsSource

__all__ = ["DocsSource", "Limits"]


def __getattr__(name: str) -> object:
    # The processes that read pages must not pay for the crawler.
    if name == "DocsSource":
        from rag.sources.docs.source import DocsSource

        return DocsSource
    if name == "Limits":
        from rag.sources.docs.fetching.fetch import Limits

        return Limits
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
