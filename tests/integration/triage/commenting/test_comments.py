"""Comments of triage on a GitHub of loopback: at most one an issue, and never one that is not wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rag.engine import Engine
from rag.errors import SourceUnavailable
from rag.triage.commenting.comments import Comments
from rag.triage.commenting.plan import MARKER, Link, Page, Plan, Planned
from tests.servers.github_comments import CommentableGitHubServer

REPO = "o/r"
Write = Callable[..., list[str]]


@pytest.fixture
def github() -> Iterator[CommentableGitHubServer]:
    with CommentableGitHubServer({"full_name": REPO, "issues": []}, tokens=("writes",)) as server:
        for title in ("Crash on start", "Crash at startup", "Crash when started"):
            server.add_issue(title, user="ann")
        yield server


@pytest.fixture
def write(empty_engine: Engine, github: CommentableGitHubServer) -> Write:
    """Write what is said of issue 3, as a list of the numbers that are linked; return what was done."""
    empty_engine.store.sources.register("it", "github")

    def do(*numbers: int, page: Page | None = None, dry_run: bool = False, token: str | None = "writes") -> list[str]:
        links = tuple(Link(number=number, role="open") for number in numbers)
        comments = Comments(
            empty_engine.store.triage, "it", REPO, token=token, api_url=github.api_url, dry_run=dry_run, pause=0
        )
        plan = Plan(repository=REPO, issues=(Planned(number=3, links=links, page=page),))
        return [deed.what for deed in comments.write(plan)]

    return do


def test_one_comment_is_posted_and_edited_when_its_links_change(write: Write, github: CommentableGitHubServer) -> None:
    assert (write(1), write(1), write(2, 1)) == (["posted"], ["unchanged"], ["edited"])
    (body,) = github.bodies(3)
    assert body.startswith(MARKER)
    assert "- #2\n- #1" in body
    assert "Written by a machine" in body
    assert [method for method, _ in github.written()] == ["POST", "PATCH"]


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(write: Write, github: CommentableGitHubServer) -> None:
    assert write(1, dry_run=True) == ["posted"]
    assert github.written() == []
    assert write(1) == ["posted"], "a dry run remembers nothing"


def test_a_dry_run_neither_edits_nor_deletes(write: Write, github: CommentableGitHubServer) -> None:
    write(1)
    before = (github.bodies(3), github.written())
    assert write(2, dry_run=True) == ["edited"]
    assert write(dry_run=True) == ["deleted"]
    github.thumb_down(3, "ann")
    assert write(1, dry_run=True) == ["deleted"]
    assert (github.bodies(3), github.written()) == before
    assert write(1) == ["deleted"], "a dry run remembers nothing"


def test_a_dry_run_needs_no_token(write: Write, github: CommentableGitHubServer) -> None:
    assert write(1, dry_run=True, token=None) == ["posted"]
    assert github.requests == []
    write(1)
    assert write(1, dry_run=True, token=None) == ["unchanged"]
    assert write(2, dry_run=True, token=None) == ["edited"]
    assert write(dry_run=True, token=None) == ["deleted"]


def test_nothing_is_written_without_a_link(write: Write, github: CommentableGitHubServer) -> None:
    assert write() == []
    assert github.requests == []


def test_a_thumb_down_of_the_author_deletes_the_comment_for_good(write: Write, github: CommentableGitHubServer) -> None:
    write(1)
    github.thumb_down(3, "somebody-else")
    assert write(1) == ["unchanged"]
    github.thumb_down(3, "ann")

    assert write(1) == ["deleted"]
    assert write(2) == []
    assert github.bodies(3) == []


def test_a_comment_that_a_maintainer_deleted_does_not_come_back(write: Write, github: CommentableGitHubServer) -> None:
    write(1)
    github.delete_comment(3, github.comments(3)[0]["id"])
    assert (write(1), write(2)) == (["unwanted"], [])
    assert github.bodies(3) == []


@pytest.mark.parametrize("moment", ["before it was answered", "before it was recorded"])
def test_a_crash_around_the_post_leads_to_no_second_comment(
    write: Write, github: CommentableGitHubServer, empty_engine: Engine, moment: str
) -> None:
    if moment == "before it was answered":
        github.cut_after_comment = True
        with pytest.raises(SourceUnavailable, match="The next run continues"):
            write(1)
    else:
        write(1)
        with empty_engine.database.connection() as connection:
            connection.execute("DELETE FROM triage_comments")

    assert write(1) == ["unchanged"]
    assert len(github.bodies(3)) == 1


def test_a_crash_after_the_deletion_leads_to_no_new_comment(
    write: Write, github: CommentableGitHubServer, empty_engine: Engine
) -> None:
    write(1)
    comment = github.comments(3)[0]["id"]
    github.thumb_down(3, "ann")
    write(1)
    empty_engine.store.triage.put_comment("it", 3, comment, "as before the run that was killed")

    assert write(1) == ["unwanted"]
    assert github.bodies(3) == []


def test_a_strangers_comment_with_the_marker_is_left_alone(write: Write, github: CommentableGitHubServer) -> None:
    github.add_comment(3, f"{MARKER}\nEdit me", user="mallory")
    assert write(1) == ["posted"]
    assert [row["body"] for row in github.comments(3) if row["user"] == "mallory"] == [f"{MARKER}\nEdit me"]


def test_a_page_is_linked_without_markup_in_its_title(write: Write, github: CommentableGitHubServer) -> None:
    write(page=Page(url="https://docs.example.org/start", title="Start](https://evil.example) @everyone"))
    assert "[Start https //evil.example  everyone]" not in github.bodies(3)[0]
    assert "@everyone" not in github.bodies(3)[0]
    assert "](https://docs.example.org/start)" in github.bodies(3)[0]
