"""Features of passages: each weight has one, and the kinds of questions tell them apart."""

from __future__ import annotations

from bench.answers.fit_passages import GIVEN
from rag.answer.extracts.features import Surroundings, described, features, with_meaning
from rag.answer.extracts.passages import passages
from rag.answer.extracts.scoring import models
from rag.answer.question.asked import Asked
from rag.search.results import SearchResult
from rag.store.search import Term


def rows_of(question: str, text: str, *terms: str, heading: str = "Manual") -> list[dict[str, float]]:
    result = SearchResult(
        rank=1, chunk_id="c", document_id="d", url="u", title="Manual", source="s", kind="page", heading=heading,
        text=text, score=0.9,
    )  # fmt: skip
    asked = Asked.of(question, [Term(term, 1, 1.0) for term in terms])
    found = [described(asked, one) for one in passages([result])]
    rows = [features(asked, one, Surroundings.of([result], found)) for one in found]
    return with_meaning(found, rows, [0.5] * len(found))


def test_each_weight_has_its_feature() -> None:
    [row] = rows_of("restore", "A dump is restored by several jobs.", "restor")
    assert models().first.weights.keys() <= row.keys()
    assert models().second.weights.keys() <= row.keys()
    assert GIVEN.keys() <= row.keys(), "a given weight is added to that of its feature"


def test_a_heading_with_both_sides_answers_a_comparison() -> None:
    text = "A fetch stores the changes. A pull merges them as well."
    name = "comparison: label has the sides"
    [both] = rows_of("fetch vs pull", text, "fetch", "pull", heading="Manual › Do I want a fetch or a pull?")
    [one] = rows_of("fetch vs pull", text, "fetch", "pull", heading="Manual › Options of a fetch")
    assert (both[name], one[name]) == (1.0, 0.0)


def test_an_argument_is_no_answer_to_how() -> None:
    text = "**<oldbranch>**\nThe name of the branch to rename.\n\n**-m**, **--move**\nRename a branch."
    rows = rows_of("how do I rename a branch", text, "renam", "branch")
    assert [row["how: placeholder"] for row in rows] == [1.0, 0.0]
