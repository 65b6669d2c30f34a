"""The rules of the kill tests find what they are there to find."""

from __future__ import annotations

import psycopg

from bench.faults import invariants
from bench.faults.chaos_work import OPERATIONS, run_operation

# Each leaves the database as a crash between two statements would, if these did not commit together.
_BREAKS = {
    "is half written": "DELETE FROM data_openai_one WHERE ordinal = 1 AND document_id = 'pages:3'",
    "other chunks than": "UPDATE index_statistics SET chunks = chunks + 1",
    "other terms than": "UPDATE index_statistics SET terms = terms + 1",
    "postings of a term": "DELETE FROM openai_one_postings WHERE ctid = (SELECT min(ctid) FROM openai_one_postings)",
    "queued chunk is gone": "INSERT INTO openai_one_fresh VALUES (999999, 'pages')",
    "an ordinal": "UPDATE data_openai_one SET ordinal = 0",
    "the cursor covers": "UPDATE documents SET text = 'version 0' WHERE id = 'pages:5'",
}


def test_each_rule_is_broken_by_what_it_forbids(dsn: str) -> None:
    run_operation(OPERATIONS["first_sync"], dsn, dsn)
    allowed = invariants.Allowed.of({}, invariants.documents(dsn))
    assert invariants.violations(dsn, allowed) == []
    whole = invariants.digest(dsn)

    for rule, statement in _BREAKS.items():
        with psycopg.connect(dsn) as connection:
            connection.execute(statement)
            found = invariants.violations_in(connection, allowed)
            assert any(rule in one for one in found), (rule, found)
            connection.rollback()
    assert invariants.digest(dsn) == whole
