"""A question resolves the active index once."""

from __future__ import annotations

from rag.engine import Engine
from rag.store.index_info import IndexInfo
from rag.store.indexes import Indexes
from rag.store.postgres.database import Database
from tests.servers.memory_source import MemorySource, page

PAGES = [page("backup", "Use pg_dump to write one database to a file.", title="Backup")]
QUESTION = "How do I write one database to a file?"


class CountingIndexes(Indexes):
    """Counts how often the active index is read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.reads = 0

    def active(self) -> IndexInfo | None:
        self.reads += 1
        return super().active()


def test_a_question_reads_the_active_index_once(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    empty_engine.store.indexes = counting = CountingIndexes(empty_engine.database)

    empty_engine.search(QUESTION)
    assert counting.reads == 1

    answer = empty_engine.ask(QUESTION)
    assert answer.answered
    assert answer.id  # the index that was searched is the one that is logged, and is not read again
    assert counting.reads == 2

    list(empty_engine.questions.ask_stream(QUESTION))
    assert counting.reads == 3
