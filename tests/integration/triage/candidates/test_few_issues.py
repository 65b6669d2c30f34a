"""A repository with a handful of issues: an obvious duplicate is likely, and another problem is not."""

from __future__ import annotations

import pytest

from rag.triage.candidates.corpus import Corpus
from rag.triage.candidates.ranking import Ranker
from rag.triage.candidates.weights import small_model
from rag.triage.history import History, Issue
from tests.encoders import RememberingEncoder

DAY = 86_400.0
NOW = 1_700_000_000.0
REPORTS = [
    (
        "App crashes on start with TypeError in config loader",
        "When I start the app it crashes at once:\n\n    TypeError: 'NoneType' object is not iterable\n"
        "      at load_config (config.py:42)\n\nVersion 2.1, Linux.",
    ),
    (
        "Docs crawl leaves out half of our site",
        "Only 60 of 118 pages are read. Pages above the start folder are missing.",
    ),
    ("Export to CSV writes wrong encoding", "The CSV file is written in latin-1. Umlauts are broken in Excel."),
    ("Add dark mode", "It would be nice to have a dark theme."),
    ("Login with GitHub fails behind a proxy", "OAuth callback returns 502 when HTTP_PROXY is set."),
]


def likeliest(encoder: RememberingEncoder, count: int, title: str, body: str) -> tuple[int, float]:
    """Return the issue among the first `count` that a report most likely repeats, and the probability."""
    issues = [
        Issue(number, *report, f"user{number}", f"https://example.org/{number}", NOW - (40 - number) * DAY)
        for number, report in enumerate(REPORTS[:count], start=1)
    ]
    ranker = Ranker(Corpus(issues, encoder.encode), History({issue.number: issue for issue in issues}))
    asked = Issue(0, title, body, "somebody", "", NOW)
    best = ranker.ranked(ranker.compared(asked), small_model(), NOW)[0]
    return best.number, best.probability


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(
    ("title", "body", "least"),
    [
        (*REPORTS[0], 0.75),
        (
            "TypeError in config loader at startup",
            "'NoneType' object is not iterable at load_config (config.py:42)",
            0.2,
        ),
        ("Crash at startup", "TypeError: 'NoneType' object is not iterable in load_config", 0.15),
    ],
)
def test_an_obvious_duplicate_is_likely(
    encoder: RememberingEncoder, count: int, title: str, body: str, least: float
) -> None:
    number, probability = likeliest(encoder, count, title, body)
    assert number == 1
    assert probability > least


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("How do I bake bread?", "I like bread."),
        ("App needs too much memory", "It takes 12 GB after a day. Version 2.1, Linux."),
        ("Add a light mode for the login page", "The login page is always dark."),
    ],
)
def test_another_problem_is_not_likely(encoder: RememberingEncoder, count: int, title: str, body: str) -> None:
    assert likeliest(encoder, count, title, body)[1] < 0.5
