"""An index of every schema that there ever was is migrated with what is in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import psycopg
import pytest

from bench.faults import invariants
from rag.store.postgres.database import Database
from rag.store.postgres.migrations import migrate
from rag.store.postgres.queries import Queries, sql_folder
from rag.store.store import Store

FIXTURE = Path(__file__).parents[2] / "fixtures" / "sql" / "index_before_0003.sql"
FILES = sorted((sql_folder() / "migrations").glob("[0-9]*.sql"))
#: The first two make the tables that the fixture fills.
FIRST = 2
ANSWER = """
INSERT INTO answers (id, question, asked, answered, answer, sources, embedding_model, llm, timings)
VALUES (gen_random_uuid(), 'Why?', 'x', true, 'Because [1].', '[]', 'test/old', 'extractive', '{}')
"""

HAS_THREAD = """
SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'answers' AND column_name = 'thread')
"""


@pytest.mark.parametrize("stage", range(FIRST, len(FILES) + 1), ids=[path.stem for path in FILES[FIRST - 1 :]])
def test_an_index_of_a_schema_is_migrated_with_its_data(empty_dsn: str, tmp_path: Path, stage: int) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        for number, path in enumerate(FILES[:stage], start=1):
            shutil.copy(path, tmp_path)
            migrate(connection, tmp_path, Queries(sql_folder() / "queries"))
            if number == FIRST:
                connection.execute(FIXTURE.read_bytes())
        has_answers = connection.execute("SELECT to_regclass('answers') IS NOT NULL").fetchone() == (True,)
        if has_answers:
            has_thread = connection.execute(HAS_THREAD).fetchone() == (True,)
            connection.execute(
                ANSWER.replace("asked,", "asked, thread,").replace("'x',", "'x', gen_random_uuid(),")
                if has_thread
                else ANSWER
            )
        before = connection.execute("SELECT count(*) FROM documents").fetchone()

    with Database(empty_dsn, embedded=False) as database:
        store = Store(database)
        index = store.indexes.active()
        assert index
        found = store.search.candidates(
            index, question="row 77 of vacuum", embedding=np.array([1, 0, 0.5], np.float32), candidates=600
        )
        best = max(found, key=lambda one: one.bm25)
        assert "row 77." in store.chunks.by_id(index, [best.id])[best.id].text
        with database.connection() as connection:
            assert connection.execute("SELECT count(*) FROM documents").fetchone() == before
            assert connection.execute("SELECT count(*) FROM answers").fetchone() == (int(has_answers),)
    assert invariants.violations(empty_dsn, invariants.Allowed.of(invariants.documents(empty_dsn))) == []
