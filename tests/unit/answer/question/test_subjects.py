"""Subjects: what a conversation is about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.answer.answer import Turn
from rag.answer.notices import ABSTENTION
from rag.answer.question.subjects import begins_anew, subject_of, without_opening
from rag.store.search import Term

TERMS = [
    Term("clone", 20, 4.0), Term("shallow", 5, 5.5), Term("histori", 60, 2.5), Term("latest", 9, 5.0),
    Term("commit", 300, 1.0), Term("worktre", 9, 5.0), Term("tag", 30, 3.5), Term("zyzzyva", 0, 9.0),
]  # fmt: skip
CLONE = Turn(
    "How do I clone only the latest commit?",
    "**--depth**\n\nCreate a shallow clone with a history of that many commits. [1]",
    ("https://example.org/git-clone.html",),
)
REST = "and how do I get the rest?"


def terms_of(text: str) -> Sequence[Term]:
    return TERMS


@pytest.mark.parametrize(
    "question",
    ["unrelated: how do I sign a tag?", "Another question: how …", "On a different topic, how …", "new topic - how …"],
)
def test_a_question_may_say_that_it_is_about_something_else(question: str) -> None:
    assert begins_anew(question)
    assert without_opening(question).startswith("how")


@pytest.mark.parametrize("question", ["and how do I get the rest?", "How do I merge unrelated histories?", "new tag?"])
def test_other_questions_do_not(question: str) -> None:
    assert not begins_anew(question)
    assert without_opening(question) == question


def test_the_subject_is_what_the_question_and_its_answer_are_about() -> None:
    subject = subject_of(REST, [CLONE], terms_of)
    assert subject.words[0] == "clone"
    assert "shallow" in subject.words
    assert subject.has("https://example.org/git-clone.html#options")
    assert not subject.has("https://example.org/git-tag.html")


def test_the_terms_of_a_subject_weigh_less_than_those_of_a_question() -> None:
    weights = {term.lexeme: term.idf for term in TERMS}
    assert all(0 < term.idf < weights[term.lexeme] for term in subject_of(REST, [CLONE], terms_of).terms)


def test_a_term_of_the_question_keeps_its_weight_in_the_subject() -> None:
    own = Term("clone", 20, 4.0)
    terms = subject_of(REST, [CLONE], terms_of).added_to([own])
    assert [term for term in terms if term.lexeme == "clone"] == [own]
    assert len(terms) > 1


def test_a_word_that_the_index_does_not_know_is_no_subject() -> None:
    assert "zyzzyva" not in subject_of(REST, [Turn("what is zyzzyva in a clone?")], terms_of).words


def test_what_was_asked_before_a_change_of_the_subject_is_forgotten() -> None:
    history = [CLONE, Turn("unrelated: how do I add a worktree?", "Use worktree add. [1]", ("https://e.org/worktree",))]
    subject = subject_of(REST, history, terms_of)
    assert subject.words == ("worktree",)
    assert subject.pages == {"https://e.org/worktree"}


def test_what_an_abstention_says_is_no_subject() -> None:
    terms = [*TERMS, Term("sourc", 5, 6.0), Term("nearest", 5, 6.0)]
    turns = [Turn("a tag?", f"{ABSTENTION} Did you mean “clone”?")]
    assert subject_of(REST, turns, lambda _: terms).words == ("tag",)
