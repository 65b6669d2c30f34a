"""The authors of a chunk, and whether they are trusted."""

from __future__ import annotations

import pytest

from rag.trust.authorship import (
    Fix,
    Thread,
    Voice,
    is_trusted,
    origin,
    thread_of,
    verdict,
    voices_of,
)

ANN = Voice("ann", "member", "2024-05-01T10:00:00Z")
BOB = Voice("bob", "none", "2024-05-02T10:00:00Z")


def test_maintainers_and_accepted_answers_are_trusted() -> None:
    assert is_trusted(ANN)
    assert is_trusted(Voice("eve", "none", "", accepted=True))
    assert not is_trusted(BOB)


def test_an_origin_names_author_role_and_day() -> None:
    assert origin(ANN) == "ann (maintainer), 2024-05-01"
    assert origin(BOB) == "bob (user), 2024-05-02"
    assert origin(Voice("eve", "none", "", accepted=True)) == "eve (accepted answer)"


def test_authors_are_read_from_the_metadata_of_a_chunk() -> None:
    about = {"author": "ann", "author_association": "member", "created_at": "2024-05-01T10:00:00Z"}
    comment = {"author": "bob", "association": "none", "at": "2024-05-02T10:00:00Z"}
    assert voices_of(about, [[20, comment]]) == ((0, ANN), (20, BOB))
    assert voices_of(about, [[0, comment]]) == ((0, BOB),)
    assert voices_of({}, []) == ()


@pytest.mark.parametrize(
    ("about", "ending"),
    [
        ({}, None),
        ({"state": "open", "number": 7}, None),
        ({"state": "closed", "number": 7, "state_reason": "duplicate"}, "closed as a duplicate"),
        (
            {"state": "closed", "state_reason": "not_planned", "closed_at": "2024-05-01T00:00:00Z"},
            "closed as not planned on 2024-05-01",
        ),
        (
            {"state": "closed", "fixed_by": [{"number": 9, "url": "", "merged_at": "2024-05-03T00:00:00Z"}]},
            "fixed by #9, merged on 2024-05-03",
        ),
    ],
)
def test_the_verdict_names_how_a_thread_ended(about: dict[str, object], ending: str | None) -> None:
    assert verdict(thread_of(about)) == ending


def test_the_verdict_names_the_latest_fix() -> None:
    fixes = (Fix(1, "", "2024-01-01"), Fix(2, "", "2024-02-01"))
    assert verdict(Thread(number=7, state="closed", fixed_by=fixes)) == "fixed by #2, merged on 2024-02-01"
