"""Which comments declare a duplicate, where that leads, and which issues were closed for want of activity."""

from __future__ import annotations

import pytest

from rag.triage.history import Declaration, History, Issue, declared, is_inactivity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Duplicate of #12", 12),
        ("duplicate of https://github.com/o/r/issues/12", 12),
        ("Closing as a dupe of #12, thanks!", 12),
        ("This is a dup of issue #12.", 12),
        ("Closing in favour of #12", 12),
        ("#12 has more discussion, closing this as a duplicate", 12),
        ("Merged into issue #12", 12),
        ("_Status changed to **Duplicate**._\n\n_Merged into issue #12._", 12),
        ("_Merged into issue #-._", None),
        ("_Issue #12 has been merged into this issue._", None),
        ('<pre>Duplicate of <a href="https://x.org/issue/12">issue #12</a></pre>', 12),
        ("Duplicate of https://github.com/former-owner/r/issues/12#issuecomment-7", 12),
        ("Closing in favor of https://github.com/o/r/issues/12.", 12),
        ("Closing in favor of https://github.com/o/rfcs/issues/12.", None),
        ("Closing in favor of o/rfcs#12.", None),
        ("Duplicate of o/r#12", 12),
        ("duplicate of other/repo#12", None),
        ("duplicate of https://github.com/x/y/issues/12", None),
        ("Duplicated by #12", None),
        ("This is not a duplicate of #12", None),
        ("Possibly a duplicate of #12", None),
        ("See #12 for why duplicates of a row are kept", None),
    ],
)
def test_a_comment_declares_a_duplicate(text: str, number: int | None) -> None:
    assert declared(text, "o/r") == number


def issue(number: int, *roots: tuple[int, float]) -> Issue:
    declarations = tuple(Declaration(root, at) for root, at in roots)
    return Issue(number, "T", "", "ann", "", float(number), declarations=declarations)


def test_a_duplicate_is_followed_to_its_root_as_far_as_was_known() -> None:
    history = History({one.number: one for one in (issue(1), issue(2, (1, 50.0)), issue(3, (2, 40.0)))})
    assert [history.root(3, at) for at in (30, 45, 60)] == [3, 2, 1]
    assert history.duplicates() == [2, 3]


def test_issues_that_are_duplicates_of_each_other_end() -> None:
    history = History({1: issue(1, (2, 10.0)), 2: issue(2, (1, 20.0))})
    assert {history.root(1), history.root(2)} == {1, 2}


@pytest.mark.parametrize(
    ("labels", "text", "is_bot", "inactive"),
    [
        (["stale"], "", False, True),
        ([], "This issue was automatically closed because it is stale.", True, True),
        ([], "Closing for lack of response.", False, True),
        ([], "Fixed: the cache is no longer stale.", False, False),
        (["bug"], "Done in 1.2", False, False),
    ],
)
def test_an_end_for_want_of_activity(labels: list[str], text: str, is_bot: bool, inactive: bool) -> None:
    assert is_inactivity(labels, text, is_bot=is_bot) == inactive
