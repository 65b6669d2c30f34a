"""The store: everything that one database keeps, with a part for each file of sql/queries.

Reading borrows a connection for each query. Writing goes through a `Transaction`:

    with store.transaction() as transaction:
        transaction.documents.put([...])
        transaction.sources.set_cursor("postgres", {"last": "2024-05-01"})
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rag.store.answers import Answers, AnswerWrites
from rag.store.api_keys import ApiKeys
from rag.store.chat_threads import ChatThreads
from rag.store.chunks import Chunks, ChunkWrites
from rag.store.documents import Documents, DocumentWrites
from rag.store.embeddings import Embeddings
from rag.store.evaluations import Evaluations
from rag.store.github import StagedThreads, StagedThreadWrites
from rag.store.hnsw import VectorIndexes
from rag.store.indexes import Indexes, SourceSizes
from rag.store.insights import Insights
from rag.store.maps import Maps
from rag.store.postgres.database import Connection, Database
from rag.store.postgres.failures import storable_values, translated
from rag.store.postgres.queries import Queries
from rag.store.postings import Postings
from rag.store.resources import Resources, ResourceWrites
from rag.store.search import Search
from rag.store.sources import Sources, SourceWrites
from rag.store.statements import Reads
from rag.store.triage import Triage
from rag.store.vocabulary import Vocabularies

__all__ = ["Store", "Transaction"]


class Transaction:
    """The writing side of the store: everything done through one commits together or not at all."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self.sources = SourceWrites(connection, queries)
        self.resources = ResourceWrites(connection, queries)
        self.github = StagedThreadWrites(connection, queries)
        self.documents = DocumentWrites(connection, queries)
        self.chunks = ChunkWrites(connection, queries)
        self.answers = AnswerWrites(connection, queries)
        self._connection = connection

    @contextmanager
    def part(self) -> Iterator[None]:
        """Do a part of the transaction; an exception undoes the part, and the rest can still be committed.

        :raises Unstorable: the database refused what was written
        """
        with storable_values(), translated(), self._connection.transaction():
            yield


class Store(Reads):
    """Everything that one database keeps."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        sizes = SourceSizes(database)
        self.sources = Sources(database)
        self.resources = Resources(database)
        self.github = StagedThreads(database)
        self.documents = Documents(database)
        self.chunks = Chunks(database)
        self.postings = Postings(database)
        self.embeddings = Embeddings(database)
        self.answers = Answers(database)
        self.api_keys = ApiKeys(database)
        self.evaluations = Evaluations(database)
        self.chat_threads = ChatThreads(database)
        self.insights = Insights(database)
        self.maps = Maps(database)
        self.indexes = Indexes(database)
        self.vectors = VectorIndexes(database, sizes)
        self.search = Search(database, sizes)
        self.vocabularies = Vocabularies(database, self.indexes)
        self.triage = Triage(database)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; leaving commits it, an exception rolls it back.

        :raises Unstorable: the database refused what was written; other data can be stored
        :raises DatabaseError: the database refused or went away; nothing of the transaction is kept
        """
        with storable_values(), self._database.connection() as connection, connection.transaction():
            yield Transaction(connection, self._queries)

    def now(self) -> datetime:
        """Return the database's time."""
        now: datetime = self._rows("now", {})[0][0]
        return now

    def vacuum(self) -> None:
        """Return the space of deleted rows, and gather the planner's statistics."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("vacuum"))
