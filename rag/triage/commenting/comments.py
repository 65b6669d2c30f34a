"""Write: one comment an issue, through PyGithub, from a plan and nothing else.

A run that was killed at any moment is finished by the next one: before anything is posted, the issue's comments are
searched for the marker of this program's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import github
import requests
from github import GithubException
from github.Issue import Issue
from github.IssueComment import IssueComment
from github.NamedUser import NamedUser
from github.Organization import Organization
from github.Repository import Repository
from urllib3.util import Retry

from rag.errors import SourceError, SourceUnavailable
from rag.sources.github.client import authentications
from rag.store.triage import Triage, WrittenComment
from rag.triage.commenting.plan import MARKER, Plan, Planned, comment_body

__all__ = ["Comments", "Deed"]

_TIMEOUT = 30
# Every run asks whether the author of an issue wants its comment, for so long after it was written.
_LOOKED_AFTER = timedelta(days=30)
# Sent again by a library, a POST that GitHub had answered too late would be a second comment.
_NO_RETRY = Retry(0, read=False, status_forcelist=[], allowed_methods=None, respect_retry_after_header=False)


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done on an issue, or in a dry run would have been."""

    number: int
    what: Literal["posted", "edited", "deleted", "unchanged", "unwanted"]
    body: str = ""


class Comments:
    """Writes the comments of one source.

    :param token: may write comments on issues; None: only a dry run, which then goes by what is remembered
    :param written: remembers the comments
    :param dry_run: only say what would be done
    :param pause: the seconds between two comments, as GitHub asks of programs
    """

    def __init__(
        self,
        written: Triage,
        source: str,
        repository: str,
        *,
        token: str | None,
        api_url: str,
        dry_run: bool = False,
        pause: float = 1.0,
    ) -> None:
        self._written = written
        self._source = source
        assert token or dry_run
        self._has_token = token is not None
        self._dry_run = dry_run
        client = github.Github(
            auth=authentications(token)[0] if token else None,
            base_url=api_url,
            timeout=_TIMEOUT,
            lazy=True,
            retry=_NO_RETRY,
            seconds_between_requests=0,
            seconds_between_writes=pause,
            user_agent="support-engine",
        )
        self._client = client
        self._repository: Repository = client.get_repo(repository)
        self._login: str | None = None

    def write(self, plan: Plan) -> Iterator[Deed]:
        """Do what a plan asks for, and yield what was done.

        Comments that the author of an issue gave a thumb down are deleted, and never come back.

        :raises SourceError: GitHub refuses it
        :raises SourceUnavailable: GitHub does not answer; the next run goes on
        """
        known = self._written.comments(self._source)
        planned = {one.number: one for one in plan.issues}
        since = datetime.now(UTC) - _LOOKED_AFTER
        recent = {one.number for one in known.values() if one.comment is not None and one.at > since}
        for number in sorted({*planned, *recent}):
            with _spoken():
                deed = self._do(planned.get(number), number, known.get(number))
            if deed:
                yield deed

    def _do(self, plan: Planned | None, number: int, known: WrittenComment | None) -> Deed | None:
        body = comment_body(plan) if plan else None
        if known and known.comment is None:
            return None
        if body is None and known is None:
            return None
        if not self._has_token:
            return _expected(number, plan, body, known)
        issue = self._repository.get_issue(number)
        comment = self._own(issue)
        if comment is None and known is not None:
            # It was deleted: by a maintainer, or by a run that was killed right after.
            return self._kept(number, None, "", "unwanted")
        if comment is not None and self._is_unwanted(issue, comment):
            return self._deleted(number, comment)
        if plan is None:
            return None
        if comment is None:
            return self._posted(issue, body or "")
        if body is None:
            return self._deleted(number, comment)
        if comment.body.replace("\r\n", "\n") == body:
            return self._kept(number, comment.id, body, "unchanged")
        if not self._dry_run:
            comment.edit(body)
        return self._kept(number, comment.id, body, "edited")

    def _posted(self, issue: Issue, body: str) -> Deed:
        if self._dry_run:
            return Deed(issue.number, "posted", body)
        return self._kept(issue.number, issue.create_comment(body).id, body, "posted")

    def _deleted(self, number: int, comment: IssueComment) -> Deed:
        if not self._dry_run:
            comment.delete()
        return self._kept(number, None, "", "deleted")

    def _kept(
        self,
        number: int,
        comment: int | None,
        body: str,
        what: Literal["posted", "edited", "deleted", "unchanged", "unwanted"],
    ) -> Deed:
        if not self._dry_run:
            self._written.put_comment(self._source, number, comment, body)
        return Deed(number, what, body)

    def _own(self, issue: Issue) -> IssueComment | None:
        """Return this program's comment on an issue; anybody may write the marker, so its author counts as well."""
        for comment in issue.get_comments():
            if comment.body and comment.body.startswith(MARKER) and comment.user and self._wrote(comment.user):
                return comment
        return None

    def _wrote(self, user: NamedUser | Organization) -> bool:
        """Return whether a user is the owner of the token."""
        if self._login is None:
            try:
                self._login = self._client.get_user().login
            except GithubException as error:
                if error.status != 403:
                    raise
                self._login = ""  # the token of a GitHub App, which has no user; nobody but a program is a bot
        return user.login == self._login if self._login else user.type == "Bot"

    def _is_unwanted(self, issue: Issue, comment: IssueComment) -> bool:
        """Return whether the author of the issue gave the comment a thumb down."""
        author = issue.user.login if issue.user else None
        counts = comment.reactions
        if isinstance(counts, dict) and not counts.get("-1"):
            return False
        return any(one.content == "-1" and one.user and one.user.login == author for one in comment.get_reactions())


def _expected(number: int, plan: Planned | None, body: str | None, known: WrittenComment | None) -> Deed | None:
    """Return what would be done if the comments on GitHub are as they were left; whose they are, a token tells."""
    if known is None:
        return Deed(number, "posted", body or "")
    if plan is None:
        return None
    if body is None:
        return Deed(number, "deleted")
    return Deed(number, "unchanged" if body == known.body else "edited", body)


@contextmanager
def _spoken() -> Iterator[None]:
    """Raise what PyGithub raises as an error of the program's."""
    try:
        yield
    except GithubException as error:
        message = error.data.get("message") if isinstance(error.data, dict) else None
        said = f"{message or 'no reason given'} ({error.status})"
        if error.status >= 500 or error.status == 429:
            raise SourceUnavailable(f"GitHub does not accept comments now: {said}. The next run continues.") from error
        raise SourceError(
            f"GitHub refuses a comment: {said}. RAG_TRIAGE_TOKEN needs the right to write issues."
        ) from error
    except requests.exceptions.RequestException as error:
        raise SourceUnavailable("GitHub does not answer; the next run continues.") from error
