"""Notices: the engine's own sentences in an answer."""

from __future__ import annotations

from rag.answer.notices import CLOSEST, is_notice, language_hint, without_notices
from rag.answer.question.corrections import Correction
from rag.store.search import Term

LOCAL = "local/all-MiniLM-L6-v2"
GERMAN = "Wie klone ich nur den letzten Commit?"
UNKNOWN = [Term("wie", 0, 9.0), Term("klone", 0, 9.0), Term("commit", 90, 1.0)]


def test_a_corrected_question_is_shown_whole() -> None:
    correction = Correction("cherry-pick a commit", (("cherrypik", "cherry-pick"), ("comit", "commit")))
    assert correction.notice == "Searched for “cherry-pick a commit”."
    assert correction.offer == "Did you mean “cherry-pick” and “commit”?"


def test_of_a_question_with_marks_or_many_words_only_the_corrected_words_are_shown() -> None:
    words = (("comit", "commit"),)
    for question in ("what is <b>commit</b> [1]", "commit " * 20):
        assert Correction(question, words).notice == "Searched for “commit” instead of “comit”."


def test_notices_are_told_from_passages() -> None:
    notice = Correction("a commit", (("comit", "commit"),)).notice
    assert is_notice(notice)
    assert is_notice(CLOSEST)
    assert is_notice("Did you mean “commit”?")
    assert not is_notice("Searched for files are listed below")
    assert without_notices(f"{notice}\n\n{CLOSEST}\n\nA commit. [1]").strip() == "A commit. [1]"
    assert without_notices("A commit. [1]\n\nDid you mean “commit”?") == "A commit. [1]"
    assert without_notices("A commit. [1]") == "A commit. [1]"


def test_a_question_in_another_language_is_told_which_model_reads_it() -> None:
    hint = language_hint(GERMAN, UNKNOWN, LOCAL) or ""
    assert "in German" in hint
    assert "RAG_EMBEDDING_MODEL=hf:" in hint
    assert hint.count(". ") == 0


def test_no_hint_is_given_if_the_index_knows_the_words_or_the_model_may_know_the_language() -> None:
    assert language_hint(GERMAN, [Term("wie", 50, 2.0), Term("klone", 9, 4.0)], LOCAL) is None
    assert language_hint(GERMAN, UNKNOWN, "openai/text-embedding-3-small") is None
    assert language_hint("How do I clone it?", UNKNOWN, LOCAL) is None
