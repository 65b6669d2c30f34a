"""Staged rows to a document."""

from __future__ import annotations

from typing import Any

from rag.sources.github.render import document_id, fixes, render
from rag.store import GitHubComment, GitHubThread

URL = "https://github.com/o/r/issues/7"


def thread(kind: str = "issue", **fields: Any) -> GitHubThread:
    data = {
        "html_url": URL,
        "title": "It crashes",
        "body": "On start.",
        "author": "ann",
        "bot": False,
        "author_association": "NONE",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "closed_at": None,
        "state": "open",
        "state_reason": None,
        "labels": ["bug"],
        "comments": 0,
        "reactions": 0,
        "merged_at": None,
    }
    return GitHubThread(7, kind, {**data, **fields})


def comment(comment_id: int, body: str, kind: str = "issue_comment", **fields: Any) -> GitHubComment:
    data = {
        "html_url": f"{URL}#issuecomment-{comment_id}",
        "body": body,
        "author": "bob",
        "bot": False,
        "author_association": "NONE",
        "created_at": f"2026-01-{comment_id:02}T00:00:00Z",
        "updated_at": f"2026-01-{comment_id:02}T00:00:00Z",
        "reactions": 0,
    }
    return GitHubComment(kind, comment_id, {**data, **fields})


def test_a_thread_reads_from_top_to_bottom_with_a_link_to_each_comment() -> None:
    document = render(
        "s", thread(), [comment(9, "Fixed in 2.0."), comment(3, "Same here.", author_association="MEMBER")]
    )
    assert document.text == (
        "On start.\n\n"
        "## Comment by bob (member), 2026-01-03 {#issuecomment-3}\n\nSame here.\n\n"
        "## Comment by bob, 2026-01-09 {#issuecomment-9}\n\nFixed in 2.0."
    )
    assert document.id_ == document_id("s", "issue", 7) == "s:issues/7"


def test_headings_in_bodies_stand_below_the_comments_own() -> None:
    document = render("s", thread(body="# Steps\n\nRun it."), [comment(3, "# Log\n\nSee below.")])
    assert document.text.startswith("## Steps\n\nRun it.\n\n## Comment by bob")
    assert document.text.endswith("### Log\n\nSee below.")


def test_bots_are_left_out_and_not_counted() -> None:
    bots = [comment(2, "Stale.", author="stale[bot]", bot=True), comment(3, "Coverage 80%", author="codecov-io")]
    document = render("s", thread(), bots)
    assert document.text == "On start."
    assert document.metadata["comments"] == 0


def test_a_comment_that_only_quotes_is_no_section() -> None:
    assert (
        render("s", thread(body="It crashes on start."), [comment(2, "> It crashes on start.")]).text
        == "It crashes on start."
    )


def test_a_thread_without_a_word_has_its_title() -> None:
    assert render("s", thread(body=""), []).text == "It crashes"


def test_a_merged_pull_request_says_so_and_what_it_fixes() -> None:
    pull = thread("pull", body="Fixes #12, closes #9.", state="closed", merged_at="2026-01-02T00:00:00Z")
    review = comment(
        4, "Name it.", "review_comment", html_url=f"{URL}#discussion_r4", path="a/b.py", in_reply_to_id=None
    )
    reply = comment(5, "Done.", "review_comment", html_url=f"{URL}#discussion_r5", path="a/b.py", in_reply_to_id=4)
    document = render("s", pull, [reply, review])
    assert (document.metadata["state"], document.metadata["fixes"]) == ("merged", [9, 12])
    assert "## Review comment by bob on a/b.py, 2026-01-04 {#discussion_r4}" in document.text
    assert document.text.index("Name it.") < document.text.index("Done.")


def test_the_accepted_answer_of_a_discussion_is_marked() -> None:
    discussion = thread("discussion", category="Q&A", answer=5)
    answer = comment(5, "Like this.", "discussion_comment", html_url=f"{URL}#discussioncomment-5", in_reply_to_id=None)
    reply = comment(6, "Thanks.", "discussion_comment", html_url=f"{URL}#discussioncomment-6", in_reply_to_id=5)
    document = render("s", discussion, [reply, answer])
    assert "## Accepted answer by bob, 2026-01-05 {#discussioncomment-5}\n\nLike this." in document.text
    assert "## Reply by bob, 2026-01-06 {#discussioncomment-6}\n\nThanks." in document.text
    assert (document.metadata["category"], document.metadata["answered"]) == ("Q&A", True)


def test_the_same_rows_give_the_same_hash_in_any_order() -> None:
    comments = [comment(3, "a"), comment(4, "b")]
    assert render("s", thread(), comments).hash == render("s", thread(), comments[::-1]).hash


def test_closing_words() -> None:
    assert fixes("This fixes #3 and resolves: #4; see #5. prefix #6") == [3, 4]
