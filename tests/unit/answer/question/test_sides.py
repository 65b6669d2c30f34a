"""The sides of a comparison."""

from __future__ import annotations

import pytest

from rag.answer.question.sides import sides_of


@pytest.mark.parametrize(
    ("question", "sides"),
    [
        ("fetch vs pull", ("fetch", "pull")),
        ("What is the difference between git fetch and git pull?", ("git fetch", "git pull")),
        ("How does rebase differ from merge?", ("rebase", "merge")),
        ("json or pickle, which should I use?", ("json", "pickle")),
        ("WHERE or HAVING?", ("WHERE", "HAVING")),
        ("what's the difference between a shallow and a deep copy", ("shallow copy", "deep copy")),
        ("soft, mixed and hard reset", ("soft reset", "mixed reset", "hard reset")),
        ("union and union all", ("union", "union all")),
        ("view or materialized view?", ("view", "materialized view")),
        ("gin vs gist for full text search", ("gin full text search", "gist full text search")),
        ("Is --soft the same as --mixed?", ("--soft", "--mixed")),
    ],
)
def test_a_comparison_has_sides(question: str, sides: tuple[str, ...]) -> None:
    assert sides_of(question) == sides


@pytest.mark.parametrize(
    "question",
    ["what is a rebase", "how do I undo the last commit without losing what I have changed in the working tree", "",
     "one, two, three or four"],
)  # fmt: skip
def test_other_questions_have_none(question: str) -> None:
    assert sides_of(question) == ()
