"""Questions: their kinds, and the words in which their terms are found."""

from __future__ import annotations

import pytest

from rag.answer.extracts.likelihood import names
from rag.answer.question.asked import Asked, kinds_of, plain_terms, refers_to_before, tokens
from rag.store.search import Term


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("fast-forward", "definition"),
        ("what is rebase", "definition"),
        ("fetch vs pull", "comparison"),
        ("difference between restart and reload", "comparison"),
        ("default for work_mem", "value"),
        ("how many days are entries kept?", "value"),
        ("does fetch change my files?", "yes-no"),
        ("why is it slow", "why"),
        ("FATAL: too many clients already", "error"),
        ("which function returns the median", "lookup"),
        ("who wrote git?", "author"),
        ("undo the last commit but keep my changes", "how"),
    ],
)
def test_a_question_is_of_its_kind(question: str, kind: str) -> None:
    assert kind in kinds_of(question)


def test_a_term_is_found_in_the_forms_of_its_word() -> None:
    asked = Asked.of("copies merged", [Term("copi", 3, 2.0), Term("merg", 5, 1.0), Term("=x.y", 1, 9.0)])
    assert asked.found_in(["copy", "of", "merging"]) == {"copi", "merg"}
    assert asked.found_in(["copyright", "mergers-x"]) == set()
    assert asked.share({"copi"}) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("lexeme", "text"),
    [("decor", "a decorator"), ("certif", "of certificates"), ("commit", "by the committer"), ("fast-forward", "fast forwards"),
     ("2.4", "since 2.4"), ("日本", "日本語")],
)  # fmt: skip
def test_a_term_is_found_by_its_stem_and_by_its_parts(lexeme: str, text: str) -> None:
    asked = Asked.of("?", [Term(lexeme, 1, 1.0), Term("other", 1, 1.0)])
    assert asked.found_in(tokens(text)) == {lexeme}


def test_the_parts_of_a_compound_stand_together() -> None:
    assert Asked.of("?", [Term("fast-forward", 1, 1.0)]).found_in(["forward", "and", "fast"]) == set()


def test_a_comparison_has_the_terms_that_tell_its_sides_apart() -> None:
    asked = Asked.of("git fetch vs git pull", plain_terms("git fetch vs git pull"))
    assert asked.sides == ({"fetch"}, {"pull"})


def test_a_question_without_terms_has_a_weight() -> None:
    assert Asked.of("is it?", plain_terms("is it?")).share(()) == 0


def test_names_are_what_no_plain_word_is() -> None:
    assert names("set io_method with --no-order in Python 3.13 for LimitRate or TLS") == [
        "io_method", "--no-order", "3.13", "limitrate", "tls",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "question",
    ["and how do I get the rest of it later?", "how do I undo that?", "does that work with tags?", "what is in there?",
     "why is this slow?", "what about tags?", "how do I get them back"],
)  # fmt: skip
def test_a_follow_up_refers_to_what_was_said_before_it(question: str) -> None:
    assert refers_to_before(question)


@pytest.mark.parametrize(
    "question",
    ["How do I clone only the newest revision?", "How can I find the commit that broke the build?",
     "is there a way to sign a tag?", "Is it possible to sign a tag?"],
)  # fmt: skip
def test_a_question_with_the_same_words_in_another_sense_does_not(question: str) -> None:
    assert not refers_to_before(question)


def test_a_word_of_everyday_english_counts_less() -> None:
    terms = [Term("someon", 40, 5.3), Term("commit", 4000, 1.1), Term("annot", 100, 4.1), Term("kubectl", 0, 9.3)]
    weights = Asked.of("someone annotated the commit with kubectl", terms).weights
    assert weights["someon"] < 0.6 * 5.3
    assert (weights["commit"], weights["annot"], weights["kubectl"]) == (1.1, 4.1, 9.3)


def test_a_word_that_no_chunk_has_may_be_the_subject() -> None:
    assert Asked.of("sprint", [Term("sprint", 0, 9.3)]).weights["sprint"] == 9.3
