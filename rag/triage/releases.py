"""The releases of a repository: in which of them a fix reached its users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rag.settings import Settings
from rag.sources.github.client import GitHubClient, Gone, RetryPolicy
from rag.store.triage import Triage

__all__ = ["read_releases"]

# A repository without releases has tags, whose times cost a request each.
_MOST_TAGS = 30
_PER_PAGE = 100


def read_releases(settings: Settings, stored: Triage, source: str, repository: str) -> int:
    """Record the latest releases of a repository, or its latest tags if it has none; return how many are new.

    :param repository: as OWNER/NAME
    :raises SourceError: GitHub refuses them
    """
    client = GitHubClient(token=settings.github_key, api_url=settings.github_api_url, retry=RetryPolicy(attempts=2))
    known = {tag for tag, _ in stored.releases(source)}
    found = _releases(client, repository) or _tags(client, repository, known)
    new = {tag: at for tag, at in found.items() if tag not in known}
    if new:
        stored.put_releases(source, new)
    return len(new)


def _releases(client: GitHubClient, repository: str) -> dict[str, datetime]:
    rows = _listed(client, f"/repos/{repository}/releases")
    return {
        row["tag_name"]: datetime.fromisoformat(row["published_at"])
        for row in rows
        if row.get("published_at") and not row.get("draft") and not row.get("prerelease")
    }


def _tags(client: GitHubClient, repository: str, known: set[str]) -> dict[str, datetime]:
    found = {}
    for row in _listed(client, f"/repos/{repository}/tags")[:_MOST_TAGS]:
        if row["name"] not in known:
            commit = client.get(f"/repos/{repository}/commits/{row['commit']['sha']}").data
            found[row["name"]] = datetime.fromisoformat(commit["commit"]["committer"]["date"])
    return found


def _listed(client: GitHubClient, path: str) -> list[Mapping[str, Any]]:
    try:
        data = client.get(path, {"per_page": _PER_PAGE}).data
    except Gone:
        return []
    return data if isinstance(data, list) else []
