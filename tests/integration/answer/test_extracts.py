"""Extracts: code is whole and explained, lists have their introduction, and nothing is said twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.answer.extracts.extractor import Extractor
from rag.answer.extracts.scoring import Linear, models
from rag.answer.question.subjects import Subject
from rag.engine import Engine
from rag.search.results import SearchResult
from rag.text.citations import cited

FILLER = "Accounts are kept in a table of their own, and nobody but an administrator may look at them. " * 7


@pytest.fixture
def extractor(empty_engine: Engine) -> Extractor:
    return Extractor(empty_engine.encoders.of("local/all-MiniLM-L6-v2"))


def found(*texts: str, heading: str = "Accounts", document: str | None = None) -> list[SearchResult]:
    return [
        SearchResult(
            rank=number,
            chunk_id=f"c{number}",
            document_id=document or f"d{number}",
            url=f"https://example.org/{number}",
            title=heading,
            source="docs",
            kind="page",
            heading=heading,
            text=text,
            score=0.9,
            ordinal=number,
        )
        for number, text in enumerate(texts, start=1)
    ]


def test_code_is_quoted_with_the_sentence_that_explains_it(extractor: Extractor) -> None:
    (result,) = found(f"{FILLER}\n\nTo lock an account, use\n\n```sh\naccounts lock ann\n```\n\n{FILLER}")
    answer = extractor.answer("how do I lock an account", [result])
    assert (answer or "").startswith("To lock an account, use\n\n```sh\naccounts lock ann\n```\n\n[1]")


def test_code_without_an_introduction_is_quoted_with_the_explanation_below_it(extractor: Extractor) -> None:
    (result,) = found(f"```sh\naccounts lock ann\n```\n\nThis locks the account of Ann.\n\n{FILLER}")
    answer = extractor.answer("how do I lock an account", [result]) or ""
    assert "accounts lock ann" in answer
    assert "This locks the account of Ann." in answer


def test_a_label_is_quoted_with_the_sentence_before_it(extractor: Extractor) -> None:
    (result,) = found(f"{FILLER}\n\nAn account is locked by its name.\n\nFor example:\n\n```sh\naccounts lock ann\n```")
    answer = extractor.answer("how do I lock an account", [result]) or ""
    assert answer.startswith("An account is locked by its name.\n\nFor example:")


def test_an_example_is_preferred_to_a_synopsis(extractor: Extractor) -> None:
    results = found(
        f"{FILLER}\n\n## Synopsis\n\n```\naccounts lock [ --force ] name [, ...]\n```",
        f"{FILLER}\n\nLock the account of Ann:\n\n```sh\naccounts lock ann\n```",
    )
    answer = extractor.answer("how do I lock an account", results) or ""
    assert answer.startswith("Lock the account of Ann:\n\n```sh\naccounts lock ann\n```")


@pytest.mark.parametrize(
    ("question", "explanation"),
    [
        ("what is a locked account?", "A locked account is one that cannot be used until it is unlocked."),
        (
            "The account of Ann is locked. Why?",
            "The account of Ann was locked because she forgot her password too often.",
        ),
    ],
)
def test_other_questions_than_how_to_are_answered_with_the_explanation(
    extractor: Extractor, question: str, explanation: str
) -> None:
    (result,) = found(f"{FILLER}\n\n{explanation}\n\n{FILLER}\n\nRun this for Ann:\n\n```sh\naccounts lock ann\n```")
    assert (extractor.answer(question, [result]) or "").startswith(explanation)


def test_a_list_is_quoted_with_its_introduction(extractor: Extractor) -> None:
    modes = "An account has one of three modes:\n\n**`open`**\nAll may.\n\n**`shut`**\nNone may.\n\n**`own`**\nOne may."
    (result,) = found(f"{FILLER}\n\n{modes}\n\n{FILLER}")
    assert modes in (extractor.answer("which modes has an account", [result]) or "")


def test_steps_in_two_chunks_are_quoted_to_the_end(extractor: Extractor) -> None:
    steps = [f"{number}. The account is locked, which is step {number}. {FILLER}" for number in (1, 2)]
    answer = extractor.answer("how is an account locked", found(*steps, document="d"))
    assert answer == f"{steps[0].rstrip()} [1]\n\n{steps[1].rstrip()} [2]"


def test_an_introduction_without_its_list_is_left_out(extractor: Extractor) -> None:
    (result,) = found(f"{FILLER}\n\nAn account may be locked. It is done like this:")
    answer = extractor.answer("may an account be locked", [result]) or ""
    assert answer.startswith("An account may be locked. [1]")
    assert "like this" not in answer


def test_a_passage_from_two_chunks_has_a_marker_after_each_part(extractor: Extractor) -> None:
    results = found(
        f"{FILLER}\n\nAn account is locked as follows:", f"```sh\naccounts lock ann\n```\n\n{FILLER}", document="d"
    )
    answer = extractor.answer("how do I lock an account", results) or ""
    assert "An account is locked as follows: [1]\n\n```sh\naccounts lock ann\n```\n\n[2]" in answer


def test_an_answer_says_nothing_twice(extractor: Extractor) -> None:
    results = found(*(f"{FILLER}\n\nAn account is locked by its administrator, says part {n}." for n in range(6)))
    equal = [replace(result, rank=1) for result in results]
    answer = extractor.answer("who locks an account?", equal) or ""
    assert answer.count("locked by its administrator") == 1


def test_code_longer_than_three_chunks_is_quoted_in_part(extractor: Extractor) -> None:
    parts = [f"```sh\n{f'accounts lock ann{n}' * 20}\n```" for n in range(5)]
    answer = extractor.answer("how do I lock an account", found(*parts, document="d")) or ""
    assert "accounts lock ann" in answer
    assert cited(answer, range(1, 6))
    assert "[1][2][3][4]" not in answer


def test_code_from_a_list_is_still_code(extractor: Extractor) -> None:
    (result,) = found(f"{FILLER}\n\n     Lock the account:\n\n     ```sh\n     accounts lock ann\n     ```")
    answer = extractor.answer("how do I lock an account", [result]) or ""
    assert "Lock the account:\n\n```sh\naccounts lock ann\n```" in answer


def test_a_follow_up_shows_more_than_a_question_with_the_same_probability(empty_engine: Engine) -> None:
    as_likely = replace(models(), right=Linear(0.7, {}))  # a probability of 0.67
    extractor = Extractor(empty_engine.encoders.of("local/all-MiniLM-L6-v2"), as_likely)
    ways = [
        "otter river key",
        "badger forest bolt",
        "heron marsh chain",
        "lynx rock seal",
        "marten barn rope",
        "falcon tower bar",
    ]
    results = found(*(f"You lock an account by {way}. " * 8 for way in ways))
    alone = extractor.extract("how do I lock an account", results)
    follow_up = extractor.extract("how do I lock an account", results, subject=Subject(words=("account",)))
    assert alone
    assert follow_up
    assert len(alone.text.split()) < 130 < len(follow_up.text.split())
