"""The archives that working groups of the IETF keep of their repositories' issues and pull requests.

Each is the file archive.json on the branch gh-pages of a repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.paths import CACHE

__all__ = ["export", "file", "where"]


def file(repository: str) -> Path:
    """Return where the archive of a repository is expected."""
    return CACHE / "archives" / f"{repository.replace('/', '+')}.json"


def where(repository: str) -> str:
    """Return how the archive of a repository is downloaded."""
    url = f"https://raw.githubusercontent.com/{repository}/gh-pages/archive.json"
    return f"to have it, run curl --create-dirs -o {file(repository)} {url}"


def export(repository: str) -> dict[str, Any]:
    """Return the archive of a repository in the form that the simulated GitHub reads.

    Reviews of pull requests become comments.
    """
    archive = json.loads(file(repository).read_text(encoding="utf-8"))
    threads = [_thread(repository, path, row) for path in ("issues", "pulls") for row in archive[path]]
    return {"full_name": repository, "issues": sorted(threads, key=lambda row: row["number"]), "discussions": []}


def _thread(repository: str, path: str, row: Mapping[str, Any]) -> dict[str, Any]:
    number = row["number"]
    url = f"https://github.com/{repository}/{'pull' if path == 'pulls' else 'issues'}/{number}"
    thread = {
        "number": number, "title": row["title"], "body": row["body"] or "", "user": row["author"] or "ghost",
        "state": "open" if row["state"] == "OPEN" else "closed", "author_association": row["authorAssociation"],
        "labels": row["labels"], "created_at": row["createdAt"], "updated_at": row["updatedAt"],
        "closed_at": row.get("closedAt"), "html_url": url, "comments_list": list(_comments(number, row)),
    }  # fmt: skip
    return {**thread, "pull_request": {"url": url, "merged_at": row.get("mergedAt")}} if path == "pulls" else thread


def _comments(number: int, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    said = [*row["comments"], *(review for review in row.get("reviews") or () if review["body"])]
    for place, comment in enumerate(sorted(said, key=lambda one: one["createdAt"])):
        yield {
            "id": number * 1000 + place, "user": comment["author"] or "ghost", "body": comment["body"],
            "author_association": comment["authorAssociation"], "created_at": comment["createdAt"],
            "updated_at": comment.get("updatedAt", comment["createdAt"]),
        }  # fmt: skip
