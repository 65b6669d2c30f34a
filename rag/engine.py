"""The composition root: builds every part from the settings and owns the connections.

    from rag import Engine

    with Engine.open() as engine:
        engine.sync("postgres")
        print(engine.ask("how do I back up one database?").answer)

What the product does is done by services, each built when it is first asked for:

    engine.syncs        update the index with the changes of a source
    engine.backfills    read the past of a GitHub source in windows
    engine.indexing     replace the index by one of another embedding model
    engine.questions    search and answer
    engine.documents    documents, their sections and their age
    engine.answer_log   logged answers, and what readers think of them
    engine.api_keys     the keys of the HTTP API
    engine.evaluations  past evaluations, and threads to make queries from
    engine.operations   status, alerts, maintenance, removal, moving
    engine.insights     what people ask, and what the docs lack
    engine.triage_records    what triage reads and keeps
    engine.maps         the index as a picture
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from rag.operate.answer_log import AnswerLog
from rag.settings import Settings, load_settings
from rag.store.postgres.database import Database
from rag.store.store import Store
from rag.trust.private import make_private

if TYPE_CHECKING:
    from rag.answer.answer import Answer, Turn
    from rag.answer.questions import Questions
    from rag.desk.insights import Insights
    from rag.desk.map.maps import Maps
    from rag.embedding import Encoder
    from rag.embedding.encoders import Encoders
    from rag.ingest.backfill import Backfills
    from rag.ingest.indexing import Indexing
    from rag.ingest.opening import SourceOpener
    from rag.ingest.report import SyncReport
    from rag.ingest.sync import Syncs
    from rag.operate.api_keys import ApiKeys
    from rag.operate.operations import Operations
    from rag.search.documents import Documents
    from rag.search.results import SearchResult
    from rag.store.evaluations import Evaluations
    from rag.store.filters import Filters
    from rag.store.triage import Triage as TriageRecords

__all__ = ["Engine"]


class Engine:
    """Everything the product does, over one set of settings. Safe to use from several threads.

    :param encoder: an encoder that is loaded already, used for its model
    """

    def __init__(self, settings: Settings, database: Database, *, encoder: Encoder | None = None) -> None:
        self.settings = settings
        self.database = database
        self.store = Store(database)
        self.answer_log = AnswerLog(self.store, days=settings.log_days, is_enabled=settings.log_answers)
        self._encoder = encoder

    @classmethod
    def open(cls, settings: Settings | None = None, *, encoder: Encoder | None = None) -> Engine:
        """Start or find the database and return an engine.

        :param settings: read from the environment and .env if None
        :param encoder: an encoder that is loaded already, used for its model
        :raises ConfigurationError: a setting is wrong
        :raises DatabaseError: Postgres cannot be started, reached or migrated
        """
        settings = settings or load_settings()
        url = settings.database_url.get_secret_value() if settings.database_url else None
        if url and not (settings.home / "postgres").exists():
            # An embedded Postgres makes the folder itself, and needs it wider if it runs as a user of its own.
            with suppress(OSError):
                make_private(settings.home)
        return cls(settings, Database.open(url=url, home=settings.home), encoder=encoder)

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # What most programs need

    def sync(self, name: str, *, full: bool = False) -> SyncReport:
        """Update the index with the changes of a source of sources.toml; see `Syncs.sync`."""
        return self.syncs.sync(name, full=full)

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, filters: Filters | None = None
    ) -> list[SearchResult]:
        """Return the best chunk of each of the best documents, best first; see `Questions.search`."""
        return self.questions.search(question, top_k=top_k, source=source, filters=filters)

    def ask(
        self,
        question: str,
        *,
        top_k: int = 8,
        source: str | None = None,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """Answer a question from the index, or say that the sources do not; see `Questions.ask`."""
        return self.questions.ask(question, top_k=top_k, source=source, filters=filters, history=history)

    # Services

    @cached_property
    def syncs(self) -> Syncs:
        """Update the index with the changes of a source."""
        from rag.ingest.sync import Syncs

        return Syncs(self.store, self._opener, self.indexing, self.encoders, log_days=self.settings.log_days)

    @cached_property
    def backfills(self) -> Backfills:
        """Read the past of a GitHub source in windows."""
        from rag.ingest.backfill import Backfills

        return Backfills(self.settings, self.store, self._opener, self.indexing, self.syncs)

    @cached_property
    def indexing(self) -> Indexing:
        """Replace the index by one of another embedding model."""
        from rag.ingest.indexing import Indexing

        return Indexing(self.store, self.encoders, model=self.settings.embedding_model)

    @cached_property
    def questions(self) -> Questions:
        """Search and answer."""
        from rag.answer.questions import Questions

        return Questions(self.settings, self.store, self.encoders, log=self.answer_log.add)

    @cached_property
    def unlogged_questions(self) -> Questions:
        """Search and answer for the program itself: the log has what people and agents ask."""
        from rag.answer.questions import Questions

        return Questions(self.settings, self.store, self.encoders, log=lambda _index, answer, _filters: answer)

    @cached_property
    def evaluations(self) -> Evaluations:
        """Past evaluations, and threads to make queries from."""
        return self.store.evaluations

    @cached_property
    def documents(self) -> Documents:
        """Documents, their sections and their age."""
        from rag.search.documents import Documents

        return Documents(self.store)

    @property
    def triage_records(self) -> TriageRecords:
        """What triage reads and keeps: staged issues, releases, calibrations and written comments."""
        return self.store.triage

    @cached_property
    def api_keys(self) -> ApiKeys:
        """The keys of the HTTP API."""
        from rag.operate.api_keys import ApiKeys

        return ApiKeys(self.store)

    @cached_property
    def operations(self) -> Operations:
        """Status, alerts, maintenance, removal and moving."""
        from rag.operate.operations import Operations

        return Operations(self.settings, self.database, self.store)

    @cached_property
    def insights(self) -> Insights:
        """What people ask, and what the docs lack."""
        from rag.desk.insights import Insights

        return Insights(self.store, self.encoders, model=self.settings.embedding_model)

    @cached_property
    def maps(self) -> Maps:
        """The index as a picture."""
        from rag.desk.map.maps import Maps

        return Maps(self.store, self.insights, log_days=self.settings.log_days)

    @cached_property
    def encoders(self) -> Encoders:
        """The embedding models, each loaded once."""
        from rag.embedding.encoders import Encoders

        return Encoders(self.settings, self._encoder)

    @cached_property
    def _opener(self) -> SourceOpener:
        from rag.ingest.opening import SourceOpener

        return SourceOpener(self.settings, self.store)
