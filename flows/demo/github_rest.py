"""REST rows of the sample GitHub server, in the shape of GitHub's API."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["DOCUMENTATION", "RestRows", "Row", "now"]

Row = dict[str, Any]

DOCUMENTATION = "https://docs.github.com/rest"
#: What a repository's row links to.
_BELOW_A_REPOSITORY = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "contributors": "/contributors",
    "deployments": "/deployments",
    "downloads": "/downloads",
    "events": "/events",
    "forks": "/forks",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "languages": "/languages",
    "merges": "/merges",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "stargazers": "/stargazers",
    "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers",
    "subscription": "/subscription",
    "tags": "/tags",
    "teams": "/teams",
    "trees": "/git/trees{/sha}",
}
_COUNTS = (
    *("forks", "forks_count", "network_count", "size", "stargazers_count", "subscribers_count"),
    *("watchers", "watchers_count"),
)


@dataclass(slots=True)
class RestRows:
    """Converts the rows of an export to those of one repository's REST API.

    A comment's row has its issue or pull request as "thread".
    """

    full_name: str
    api_url: str
    web_url: str
    repository_id: int = 0

    def __post_init__(self) -> None:
        self.repository_id = number_of(self.full_name)

    def repository(self, threads: Collection[Row], *, has_discussions: bool) -> Row:
        """Return the repository's row."""
        owner, name = self.full_name.split("/")
        url = f"{self.api_url}/repos/{self.full_name}"
        web = f"{self.web_url}/{self.full_name}"
        open_threads = sum(row["state"] == "open" for row in threads)
        updated = max([row["updated_at"] for row in threads], default=now())
        return {
            **{f"{what}_url": url + below for what, below in _BELOW_A_REPOSITORY.items()},
            **dict.fromkeys(_COUNTS, 0),
            "id": self.repository_id,
            "node_id": f"R_{self.repository_id}",
            "name": name,
            "full_name": self.full_name,
            "private": False,
            "owner": self.user(owner, kind="Organization"),
            "html_url": web,
            "clone_url": f"{web}.git",
            "svn_url": web,
            "git_url": f"git://127.0.0.1/{self.full_name}.git",
            "ssh_url": f"git@127.0.0.1:{self.full_name}.git",
            "mirror_url": None,
            "homepage": None,
            "description": None,
            "language": None,
            "license": None,
            "fork": False,
            "url": url,
            "has_issues": True,
            "has_discussions": has_discussions,
            "has_pages": False,
            "has_projects": False,
            "has_wiki": False,
            "archived": False,
            "disabled": False,
            "visibility": "public",
            "default_branch": "main",
            "open_issues": open_threads,
            "open_issues_count": open_threads,
            "created_at": min([row["created_at"] for row in threads], default=now()),
            "updated_at": updated,
            "pushed_at": updated,
        }

    def issue(self, row: Row) -> Row:
        """Return the row of an issue or a pull request."""
        number = row["number"]
        url = f"{self.api_url}/repos/{self.full_name}/issues/{number}"
        issue = {
            "id": number_of(f"{self.repository_id}#{number}"),
            "node_id": f"I_{number}",
            "url": url,
            "repository_url": f"{self.api_url}/repos/{self.full_name}",
            "labels_url": url + "/labels{/name}",
            "comments_url": url + "/comments",
            "events_url": url + "/events",
            "html_url": self.web(row),
            "number": number,
            "state": row["state"],
            "state_reason": row.get("state_reason"),
            "title": row["title"],
            "body": row["body"],
            "user": self.user(row.get("user")),
            "labels": [self._label(name) for name in row.get("labels", ())],
            "assignee": None,
            "assignees": [],
            "milestone": self._milestone(row.get("milestone")),
            "locked": False,
            "active_lock_reason": None,
            "comments": len(row.get("comments_list", ())),
            "closed_at": row.get("closed_at"),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "author_association": row.get("author_association", "NONE"),
            "reactions": self._reactions(url, row),
            "timeline_url": url + "/timeline",
            "performed_via_github_app": None,
        }
        if "pull_request" in row:
            issue["pull_request"] = {
                "url": f"{self.api_url}/repos/{self.full_name}/pulls/{number}",
                "html_url": self.web(row),
                "diff_url": self.web(row) + ".diff",
                "patch_url": self.web(row) + ".patch",
                "merged_at": row["pull_request"].get("merged_at"),
            }
        return issue

    def comment(self, row: Row) -> Row:
        """Return the row of a comment on an issue or a pull request."""
        thread = row["thread"]
        url = f"{self.api_url}/repos/{self.full_name}/issues/comments/{row['id']}"
        return {
            "id": row["id"],
            "node_id": f"IC_{row['id']}",
            "url": url,
            "html_url": f"{self.web(thread)}#issuecomment-{row['id']}",
            "issue_url": f"{self.api_url}/repos/{self.full_name}/issues/{thread['number']}",
            "body": row["body"],
            "user": self.user(row.get("user")),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "author_association": row.get("author_association", "NONE"),
            "reactions": self._reactions(url, row),
            "performed_via_github_app": None,
        }

    def review_comment(self, row: Row) -> Row:
        """Return the row of a comment on a line of a pull request."""
        thread = row["thread"]
        url = f"{self.api_url}/repos/{self.full_name}/pulls/comments/{row['id']}"
        pull_url = f"{self.api_url}/repos/{self.full_name}/pulls/{thread['number']}"
        web = f"{self.web(thread)}#discussion_r{row['id']}"
        comment = {
            **self.comment(row),
            "node_id": f"PRRC_{row['id']}",
            "url": url,
            "html_url": web,
            "pull_request_url": pull_url,
            "pull_request_review_id": row.get("pull_request_review_id"),
            "path": row.get("path", "README.md"),
            "diff_hunk": row.get("diff_hunk", "@@ -1 +1 @@"),
            "commit_id": "0" * 40,
            "original_commit_id": "0" * 40,
            "subject_type": "line",
            "reactions": self._reactions(url, row),
            "_links": {"self": {"href": url}, "html": {"href": web}, "pull_request": {"href": pull_url}},
        }
        if "in_reply_to_id" in row:
            comment["in_reply_to_id"] = row["in_reply_to_id"]
        return {key: value for key, value in comment.items() if key not in ("issue_url", "performed_via_github_app")}

    def user(self, login: str | None, kind: str = "User") -> Row | None:
        """Return the row of a user; None for a deleted one."""
        if login is None:
            return None
        bot = login.endswith("[bot]")
        user_id = number_of(login)
        url = f"{self.api_url}/users/{login}"
        return {
            "login": login,
            "id": user_id,
            "node_id": f"U_{user_id}",
            "avatar_url": f"{self.web_url}/avatars/{user_id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web_url}/{login}",
            "followers_url": url + "/followers",
            "following_url": url + "/following{/other_user}",
            "gists_url": url + "/gists{/gist_id}",
            "starred_url": url + "/starred{/owner}{/repo}",
            "subscriptions_url": url + "/subscriptions",
            "organizations_url": url + "/orgs",
            "repos_url": url + "/repos",
            "events_url": url + "/events{/privacy}",
            "received_events_url": url + "/received_events",
            "type": "Bot" if bot else kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def _label(self, name: str) -> Row:
        return {
            "id": number_of(name),
            "node_id": f"LA_{number_of(name)}",
            "url": f"{self.api_url}/repos/{self.full_name}/labels/{name}",
            "name": name,
            "color": "ededed",
            "default": False,
            "description": None,
        }

    def _milestone(self, title: str | None) -> Row | None:
        if title is None:
            return None
        number = number_of(title) % 1000
        return {
            "id": number_of(title),
            "node_id": f"MI_{number_of(title)}",
            "url": f"{self.api_url}/repos/{self.full_name}/milestones/{number}",
            "html_url": f"{self.web_url}/{self.full_name}/milestone/{number}",
            "number": number,
            "title": title,
            "description": None,
            "state": "open",
            "due_on": None,
        }

    def _reactions(self, url: str, row: Row) -> Row:
        kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
        counts = {kind: row.get("reactions", {}).get(kind, 0) for kind in kinds}
        return {"url": url + "/reactions", "total_count": sum(counts.values()), **counts}

    def web(self, thread: Row) -> str:
        """Return the address of a thread's page."""
        folder = "pull" if "pull_request" in thread else "discussions" if "category" in thread else "issues"
        return f"{self.web_url}/{self.full_name}/{folder}/{thread['number']}"


def number_of(text: str) -> int:
    """Return an id that is the same in every run."""
    return zlib.crc32(text.encode())


def now() -> str:
    """Return the time in GitHub's format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
