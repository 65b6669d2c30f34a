"""A server that breaks off, and a lost connection to Postgres, end in time with a sentence, and lose nothing.

The long form is `python -m bench chaos --faults`; these are the faults that once held a sync for ever or were told badly, and
some statements.
"""

from __future__ import annotations

import pytest

from bench.faults.broken import faulty_servers, lost_connections


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "faults"),
    [
        ("sitemap", ["204", "cut in the body", "a chunk without a length"]),
        ("page", ["304", "404", "503", "gzip that is cut"]),
        ("issues", ["chunks without end", "a drip of a body", "a chunk without a length", "304", "404"]),
        ("a sync's vectors", ["a drip of a body", "500"]),
        ("an answer", ["connection refused", "cut in the body"]),
    ],
)
def test_a_server_that_breaks_off_costs_nothing(server_dsn: str, place: str, faults: list[str]) -> None:
    outcomes = list(faulty_servers(server_dsn, places=[place], faults=faults))
    assert [line for outcome in outcomes for line in outcome.wrong] == []
    assert sum(outcome.rounds for outcome in outcomes) == len(faults)


@pytest.mark.slow
def test_a_lost_connection_costs_nothing(server_dsn: str) -> None:
    outcomes = list(lost_connections(server_dsn, every=45))
    assert [line for outcome in outcomes for line in outcome.wrong] == []
    # The last round of each place has fewer statements, and is the only one that is not cut.
    assert all(outcome.rounds > 1 for outcome in outcomes)
