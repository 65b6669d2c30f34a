"""Git repositories of Markdown and reStructuredText: read the files of a commit whose blobs changed."""

from rag.sources.repository.source import RepositorySource

__all__ = ["RepositorySource"]
