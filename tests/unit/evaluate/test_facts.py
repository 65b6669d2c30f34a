"""Key facts: an answer is right if it holds one alternative of each, however they are written."""

from __future__ import annotations

import pytest

from rag.evaluate.facts import Verdict, correctness, first_is_gold, judged


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("Use `git push --delete` to remove it.", "right"),
        ("Use git push.", "partly"),
        ("Use git\nPUSH  with **--delete**.", "right"),
        ("Use git push with \u2011\u2011delete.", "right"),  # non-breaking hyphens
        (r"Use git push \-\-delete.", "right"),
        ("Use svn.", "wrong"),
        ("Use git push --delete, as with Mercurial.", "wrong"),
    ],
)
def test_an_answer_is_right_if_it_holds_every_fact_and_nothing_wrong(answer: str, outcome: str) -> None:
    assert judged(answer, [["git push"], ["--delete", "colon"]], ["mercurial"]) == outcome


@pytest.mark.parametrize(
    ("fact", "answer", "outcome"),
    [
        ("90", "after 90 days", "right"),
        ("90", "after 190 days", "wrong"),
        ("90", "after 90.5 days", "right"),
        ("5", "after 0.5 days", "wrong"),
        ("it's", "what it\u2019s for", "right"),
        ('say "yes"', "to say 'yes' is", "right"),
    ],
)
def test_a_number_is_not_a_part_of_another_and_quotes_are_alike(fact: str, answer: str, outcome: str) -> None:
    assert judged(answer, [[fact]]) == outcome


@pytest.mark.parametrize(
    ("url", "gold", "is_gold"),
    [
        ("http://127.0.0.1:80/library/shutil.html#x", "library/shutil.html", True),
        ("http://127.0.0.1:80/other/shutil.html", "library/shutil.html", False),
        ("https://github.com/o/r/issues/12#issuecomment-1", "https://github.com/o/r/pull/12", True),
        ("https://github.com/o/r/issues/121", "https://github.com/o/r/issues/12", False),
    ],
)
def test_the_first_source_is_compared_without_fragment_and_host(url: str, gold: str, is_gold: bool) -> None:
    assert first_is_gold([url, "https://example.org/"], [gold]) is is_gold


def test_shares_are_of_all_questions_with_facts_and_by_kind() -> None:
    verdicts = [
        Verdict("how-to", "right", 40, gold_first=True),
        Verdict("how-to", "right", 60, gold_first=False),
        Verdict("value", "wrong", 10, gold_first=True),
        Verdict("value", "abstained", 0, gold_first=None),
    ]
    found = correctness(verdicts, [True, True, False, False]).to_json()
    assert (found["right"], found["partly"], found["wrong"], found["abstained"]) == (0.5, 0.0, 0.25, 0.25)
    assert (found["declined"], found["gold_first"], found["words"]) == (0.5, 0.6667, 50)
    assert found["kinds"]["value"] == {"wrong": 1, "abstained": 1}


def test_without_answers_there_is_nothing_to_share() -> None:
    found = correctness([Verdict("", "abstained", 0, gold_first=None)], []).to_json()
    assert (found["declined"], found["gold_first"], found["words"]) == (None, None, None)
