"""Talk: what is said of the work on a thread answers no question, unless one asks what became of it."""

from __future__ import annotations

import pytest

from rag.answer.extracts.passages import passages
from rag.answer.extracts.talk import asks_for_outcome, is_talk
from rag.search.results import SearchResult
from rag.trust.authorship import Thread

THREAD = Thread(7, "closed")


def is_talk_of(text: str, thread: Thread | None = THREAD) -> bool:
    result = SearchResult(
        rank=1, chunk_id="c", document_id="d", url="u", title="Reset", source="s", kind="issue", heading="Reset",
        text=text, score=0.9, thread=thread,
    )  # fmt: skip
    (passage,) = passages([result])
    return is_talk(passage)


@pytest.mark.parametrize(
    "text",
    [
        "LGTM based on the discussion.",
        "@ann, @bob: what say you? :-)",
        "Done, see https://example.org/pull/9 and #12. Closing.",
        "Have a look at org/repo#276, please!",
    ],
)
def test_a_comment_about_the_work_alone_is_talk(text: str) -> None:
    assert is_talk_of(text)
    assert not is_talk_of(text, thread=None)


@pytest.mark.parametrize(
    "text",
    ["LGTM, but the parser still drops comments.", "Fixed by retrying twice.", "Closing.\n\n```\ngit rebase\n```"],
)
def test_a_comment_that_says_something_or_shows_code_is_not(text: str) -> None:
    assert not is_talk_of(text)


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("what became of the second cache?", True),
        ("Was a retry adopted?", True),
        ("did they agree on JSON", True),
        ("Why does the parser drop comments?", False),
        ("How do I merge two tables?", False),
    ],
)
def test_who_asks_for_the_outcome_may_be_told_it(question: str, *, asks: bool) -> None:
    assert asks_for_outcome(question) == asks
