"""Git repositories of Markdown: read the files of a commit, those whose blob changed."""

from rag.sources.repository.source import RepositorySource

__all__ = ["RepositorySource"]
