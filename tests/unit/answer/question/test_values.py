"""Values of the asker's own: what sources need not have to answer a question."""

from __future__ import annotations

import pytest

from rag.answer.extracts.likelihood import names
from rag.answer.question.asked import Asked
from rag.answer.question.values import own_values
from rag.store.search import Term


@pytest.mark.parametrize(
    ("question", "values"),
    [
        ("DEBUG: Filtered request to 'cdn.shop.example'", ["cdn.shop.example"]),
        ("proxy / to http://localhost:3000/app please", ["http://localhost:3000/app"]),
        ("detected dubious ownership in '/srv/app'", ["/srv/app"]),
        ("failed to push to git@example.com:team/app.git", ["git@example.com"]),
        ("split it into files of 10000 or 40,000 rows", ["10000", "40,000"]),
        (r"umlauts are written like \u00fc", [r"\u00fc"]),
        ("it runs at 06:30 since 2024-01-31", ["06:30", "2024-01-31"]),
    ],
)
def test_addresses_paths_numbers_and_times_are_the_askers(question: str, values: list[str]) -> None:
    assert own_values(question) == values


@pytest.mark.parametrize(
    "question",
    [
        "Does Python 3.13 have a JIT?",
        "What changed in 2016?",
        "Is RFC 8937 recommended?",
        "set max_wal_size or --depth=1",
        "twisted.web.http fails",
        "what is AH00484?",
    ],
)
def test_versions_years_and_names_are_not(question: str) -> None:
    assert own_values(question) == []


def test_a_value_counts_only_if_the_sources_have_it() -> None:
    question = "Filtered offsite request to cdn.shop.example on port 8080"
    terms = [Term("offsit", 3, 2.0), Term("cdn.shop.example", 0, 9.0), Term("8080", 2, 5.0), Term("quux", 0, 9.0)]
    assert [term.lexeme for term in Asked.of(question, terms).terms] == ["offsit", "8080", "quux"]
    assert names("GET https://cdn.shop.example/a.b and feed_export") == ["get", "feed_export"]


@pytest.mark.parametrize("line", ["DEBUG: Filtered request", "[<twisted.python.failure.Failure: >]\nwhat is that?"])
def test_a_pasted_line_of_a_log_is_an_error_message(line: str) -> None:
    assert "error" in Asked.of(line, []).kinds
