"""GitHub: the issues, pull requests and discussions of one repository, one document a thread."""

from __future__ import annotations

from rag.sources.github.backfill import GitHubWindow, finish_backfill, plan_backfill
from rag.sources.github.client import GitHubClient, RetryPolicy
from rag.sources.github.render import render
from rag.sources.github.sync import GitHubSource

__all__ = [
    "GitHubClient",
    "GitHubSource",
    "GitHubWindow",
    "RetryPolicy",
    "finish_backfill",
    "plan_backfill",
    "render",
]
