"""Likelihood: words of a question that the index does not know count, misspelt ones and those of a pasted error do not."""

from __future__ import annotations

import pytest

from rag.answer.extracts.compose import Scored
from rag.answer.extracts.features import Surroundings, described, features
from rag.answer.extracts.likelihood import ANSWERABLE, RIGHT, likelihood_features, names
from rag.answer.extracts.passages import passages
from rag.answer.extracts.ranking import Ranking
from rag.answer.question.asked import Asked
from rag.search.results import SearchResult
from rag.store.search import Term

RESULT = SearchResult(
    rank=1, chunk_id="c", document_id="d", url="u", title="Restore", source="s", kind="page", heading="Restore",
    text="Use several parallel jobs to restore a big dump.", score=0.9,
)  # fmt: skip


def about(question: str, *terms: Term) -> dict[str, float]:
    asked = Asked.of(question, terms)
    found = [described(asked, one) for one in passages([RESULT])]
    rows = [features(asked, one, Surroundings.of([RESULT], found)) | {"cosine": 0.5} for one in found]
    scored = [Scored(1.0, one.passage, one.found) for one in found]
    return likelihood_features(Ranking(asked, scored, rows, found), scored, [RESULT])


KNOWN = Term("restor", 5, 3.0)


def test_the_features_of_the_models_exist() -> None:
    assert {*ANSWERABLE, *RIGHT} <= about("restore a dump", KNOWN).keys()


def test_a_passage_that_names_no_author_does_not_say_who_wrote_it() -> None:
    assert about("who wrote restore?", KNOWN)["unknown subject"] == 1.0
    assert about("what is restore?", KNOWN)["unknown subject"] == 0.0


def test_a_word_that_no_chunk_has_is_unknown() -> None:
    unknown = about("how do I restore with patroni", KNOWN, Term("patroni", 0, 8.0))
    assert unknown["unknown word"] == 1.0
    assert about("how do I restore with jobs", KNOWN, Term("job", 3, 4.0))["unknown word"] == 0.0


def test_a_misspelt_word_is_not_unknown() -> None:
    assert about("restore in paralel", KNOWN, Term("paralel", 0, 8.0))["unknown word"] == 0.0


def test_a_subject_before_a_colon_that_the_answer_lacks_is_unknown() -> None:
    assert about("pgcat: how do I restore", KNOWN, Term("pgcat", 2, 8.0))["unknown subject"] == 1.0
    assert about("restore: how many jobs", KNOWN, Term("job", 3, 4.0))["unknown subject"] == 0.0


def test_a_subject_before_a_colon_that_stands_in_the_text_only_is_not_above() -> None:
    jobs = about("jobs: how do I restore", KNOWN, Term("job", 3, 4.0))
    assert (jobs["subject not above"], jobs["unknown subject"]) == (1.0, 0.0)
    assert about("restore: how many jobs", KNOWN, Term("job", 3, 4.0))["subject not above"] == 0.0


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("parallel_jobs", 0.0),
        ("parallelJobs", 0.0),
        ("big.dump", 0.0),
        ("restore_jobs", 1.0),
        ("--jobs", 1.0),
        ("dump2", 1.0),
    ],
)
def test_a_name_is_missing_if_its_words_do_not_stand_together(name: str, missing: float) -> None:
    assert about(f"can I restore with {name}", KNOWN)["names missing"] == missing


def test_the_name_of_an_argument_is_a_name() -> None:
    assert names("shuffle(secure=True)") == ["secure"]


def test_an_identifier_is_known_or_unknown_as_a_whole() -> None:
    made_up = about("what does restore_jobs do", KNOWN, Term("job", 3, 4.0), Term("=restore_jobs", 0, 8.0))
    assert made_up["unknown identifier"] == 1.0
    known = about("what does restore_jobs do", KNOWN, Term("job", 3, 4.0), Term("=restore_jobs", 1, 7.0))
    assert known["unknown identifier"] == 0.0


@pytest.mark.parametrize("question", ["ERROR: cannot restore mydb", "wie stelle ich mydb her"])
def test_unknown_words_of_a_pasted_error_or_another_language_do_not_count(question: str) -> None:
    terms = [Term(word.lower().strip(":"), 0, 8.0) for word in question.split() if word != "restore"]
    assert about(question, KNOWN, *terms)["unknown word"] == 0.0


def test_what_is_missing_counts_in_a_question_of_many_words() -> None:
    missing = Term("patroni", 0, 8.0)
    short = about("restore with patroni", KNOWN, missing)
    long = about("restore with patroni " + "since we have it on all of our servers " * 2, KNOWN, missing)
    assert short["in many words: rarest missing"] == 0.0
    assert long["in many words: rarest missing"] > 0.0
