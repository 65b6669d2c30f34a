"""The composition root: builds every part from the settings and owns the connections.

    from rag import Engine

    with Engine.open() as engine:
        engine.sync("postgres")
        print(engine.ask("how do I back up one database?").answer)

Parts are built when they are first needed: a search never loads what only ingestion uses.
"""

from __future__ import annotations

import contextvars
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rag.errors import ConfigurationError, RagError, SourceBusy
from rag.models import (
    KINDS,
    STATES,
    Answer,
    Backfill,
    Filters,
    IndexInfo,
    Maintenance,
    SearchResult,
    SyncReport,
    Trouble,
    Turn,
    Window,
)
from rag.operate.answer_log import AnswerLog
from rag.settings import DocsConfig, GitHubConfig, Settings, SourceConfig, load_settings
from rag.sources import MOST_REMOVED
from rag.store.database import Database
from rag.store.store import Store
from rag.trust.secrets import masked

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from rag.answer.answering import Answerer
    from rag.answer.query_engine import SupportQueryEngine
    from rag.answer.writer import AnswerWriter
    from rag.embedding import Encoder
    from rag.embedding.workers import EmbeddingWorkers
    from rag.ingest.pipeline import Ingestion, Progress
    from rag.llm.usage import UsageCount
    from rag.search.retriever import HybridRetriever
    from rag.search.searcher import Reranker, Searcher
    from rag.sources import Source

__all__ = ["Engine"]

# A chunk for a remote model is cut by this many tokens: beyond it one vector has to stand for too many things.
_LONGEST_CHUNK = 512
# Enough for the four requests that a remote model is sent at once.
_EMBEDDED_AT_ONCE = 512


class Engine:
    """Everything the product does, over one set of settings. Safe to use from several threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.store = Store(database)
        self.answer_log = AnswerLog(self.store, days=settings.log_days)
        self._encoders: dict[str, Encoder] = {}
        self._building = threading.RLock()

    @classmethod
    def open(cls, settings: Settings | None = None, *, encoder: Encoder | None = None) -> Engine:
        """Start or find the database and return an engine.

        :param settings: read from the environment and .env if None
        :param encoder: one that is at hand already, for its model
        :raises ConfigurationError: a setting is wrong
        :raises DatabaseError: Postgres cannot be started, reached or migrated
        """
        settings = settings or load_settings()
        url = settings.database_url.get_secret_value() if settings.database_url else None
        engine = cls(settings, Database.open(url=url, home=settings.home))
        if encoder is not None:
            engine._encoders[encoder.model] = encoder
        return engine

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # Ingestion

    def source_config(self, name: str) -> SourceConfig:
        """Return the configured source of a name.

        :raises ConfigurationError: there is none
        """
        for config in self.settings.sources:
            if config.name == name:
                return config
        known = ", ".join(config.name for config in self.settings.sources) or "none"
        raise ConfigurationError(f"No source is called {name!r} in {self.settings.sources_path}; there are: {known}.")

    def sync(
        self,
        name: str,
        *,
        full: bool = False,
        accept_removals: bool = False,
        at_once: int | None = None,
        embedding_workers: EmbeddingWorkers | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Bring the index in line with one source.

        :param full: read the whole source again and remove what is gone
        :param accept_removals: remove what is gone even if that is most of the source
        :param at_once: how many requests to a docs site may be under way at once
        :param embedding_workers: other processes that embed texts, if any
        :param progress: called after each batch with the report so far
        :returns: the outcome; its state is "failed" if anything in the source could not be read
        :raises SourceError: the source broke off; what had been committed stays
        """
        most_removed = 1.0 if accept_removals else MOST_REMOVED
        source = self._open_source(self.source_config(name), most_removed=most_removed, at_once=at_once)
        return self.ingest(source, full=full, embedding_workers=embedding_workers, progress=progress)

    def ingest(
        self,
        source: Source,
        *,
        full: bool = False,
        embedding_workers: EmbeddingWorkers | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Bring the index in line with any source, configured or of your own making; see `sync`."""
        index = self._index_to_write()
        with self._locked(source), self._minding_answers(index):
            return self._sync(source, self._ingestion(index, embedding_workers), full=full, progress=progress)

    def embed_batch(self, batch: UUID) -> int:
        """Embed a batch of texts that another process has stored, into the cache.

        :returns: how many were embedded; of those that the cache had, or that nobody waits for any more, none
        """
        from rag.embedding.cache import CachedEmbedding

        found = self.store.embedding_batch(batch)
        if found is None:
            return 0
        model, texts = found
        embedding = CachedEmbedding(self.encoder(model), self.store)
        # A part at a time, so that another attempt goes on where this one was interrupted.
        for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
            embedding.get_text_embedding_batch(texts[start : start + _EMBEDDED_AT_ONCE])
        return embedding.embedded

    def _sync(self, source: Source, ingestion: Ingestion, *, full: bool, progress: Progress | None) -> SyncReport:
        """Sync a source that is locked, and note how that went."""
        try:
            report = ingestion.sync(source, full=full, progress=progress)
        except RagError as error:
            self.store.sync_failed(source.name, str(error))
            raise
        if report.state == "completed":
            self.store.sync_succeeded(source.name)
        else:
            first = report.errors[0]
            self.store.sync_failed(source.name, f"{report.failed} failed; the first: {first.url}: {first.error}")
        return report

    @contextmanager
    def _minding_answers(self, index: IndexInfo) -> Iterator[None]:
        """Mark stale what is answered while a sync runs, and forget what is older than is kept."""
        started = self.store.now()
        yield
        self.store.mark_late_answers_stale(index, started)
        self.answer_log.prune()

    @contextmanager
    def _locked(self, source: Source, *, shared: bool = False) -> Iterator[None]:
        self.store.register_source(source.name, source.kind)
        with self._free(source.name, shared=shared):
            yield

    @contextmanager
    def _free(self, name: str, *, shared: bool = False) -> Iterator[None]:
        with self.store.locked_source(name, shared=shared) as free:
            if not free:
                raise SourceBusy(f"Another sync of {name} is running; wait until it has ended.")
            yield

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Keep syncs of a source out, but not the windows of a backfill.

        :raises SourceBusy: a sync of it is running
        """
        self.store.register_source(name, self.source_config(name).kind)
        with self._free(name, shared=True):
            yield

    def plan_backfill(
        self, name: str, *, start: datetime | None = None, end: datetime | None = None, days: int = 7
    ) -> Backfill:
        """Cut a span of a GitHub source's past into windows, to be read by `backfill_window`, oldest first.

        :param start: the beginning if None
        :param end: now if None
        :param days: the length of a window
        :raises ConfigurationError: the source is none of GitHub's, or the span is empty
        :raises SourceError: the repository cannot be read
        """
        from rag.sources.github import GitHubClient, plan_backfill

        config = self._github_config(name)
        self.store.register_source(name, config.kind)
        client = GitHubClient(token=self._github_token, api_url=self.settings.github_api_url)
        try:
            return plan_backfill(config, self.store, client, start=start, end=end, days=days)
        finally:
            client.close()

    def backfill_window(self, name: str, window: Window, *, progress: Progress | None = None) -> SyncReport:
        """Read one window of a backfill into the index; several may be read at once, here and on other machines.

        :returns: the outcome; threads that other windows have a part in are left to `finish_backfill`
        :raises SourceError: GitHub broke off; what had been committed stays
        """
        source = self._open_window(name, window)
        index = self._index_to_write()
        with self._locked(source, shared=True):
            return self._ingestion(index).sync(source, partial=True, progress=progress)

    def finish_backfill(self, backfill: Backfill, *, progress: Progress | None = None) -> SyncReport:
        """Complete a backfill whose windows are all read: write what was left, and bring what came meanwhile.

        :raises SourceBusy: a sync of the source is running
        :raises SourceError: GitHub broke off; what had been committed stays
        """
        from rag.sources.github import finish_backfill

        source = self._open_source(self._github_config(backfill.source), most_removed=MOST_REMOVED)
        index = self._index_to_write()
        with self._locked(source):
            if finish_backfill(backfill, self.store):
                return self._sync(source, self._ingestion(index), full=False, progress=progress)
            return self._ingestion(index).sync(self._open_window(backfill.source, None), progress=progress)

    # Operation

    def remove_source(self, name: str) -> int:
        """Forget a source with all its documents; return how many there were.

        :raises ConfigurationError: no such source was ever synced
        :raises SourceBusy: a sync of it is running
        """
        if not self.store.has_source(name):
            known = ", ".join(status.name for status in self.store.source_status()) or "none"
            raise ConfigurationError(f"No source called {name!r} has been ingested; there are: {known}.")
        with self._free(name):
            documents = self.store.document_count(name)
            self.store.delete_source(name)
        return documents

    def copy_to(self, other: Store, *, progress: Callable[[str], None] | None = None) -> dict[str, int]:
        """Copy everything into another database; syncs wait meanwhile.

        :returns: how many rows were copied, by table
        :raises ConfigurationError: there is something in it already
        :raises SourceBusy: a sync is running
        :raises DatabaseError: the copy broke off, and nothing of it was kept
        """
        if known := [status.name for status in other.source_status()]:
            raise ConfigurationError(
                f"The other database holds sources already: {', '.join(known)}. Give an empty one."
            )
        with self.store.locked_sources([status.name for status in self.store.source_status()]) as busy:
            if busy:
                raise SourceBusy(f"A sync of {busy} is running; wait until it has ended.")
            return self.store.copy_to(other, progress=progress)

    def tell_of_trouble(self, ages: Mapping[str, timedelta]) -> list[Trouble]:
        """Post an alert for each source that has failed RAG_ALERT_FAILURES runs in a row or has grown too old.

        An incident is told of once: the next success ends it.

        :param ages: by source, how long ago its last success may be
        :returns: the sources that were told of now
        :raises RagError: the webhook does not take an alert; the next call tries again
        """
        from rag.operate.alerts import alert_text, post_alert

        webhook, most = self.settings.alert_webhook, self.settings.alert_failures
        told = []
        for name, age in ages.items():
            trouble = self.store.claim_alert(name, failures=most, age=age) if webhook else None
            if not webhook or not trouble:
                continue
            try:
                post_alert(webhook.get_secret_value(), alert_text(trouble, most_failures=most))
            except RagError:
                self.store.return_alert(name)
                raise
            told.append(trouble)
        return told

    def maintain(self, *, cache_days: int = 180, index_days: int = 30) -> Maintenance:
        """Drop what nobody has needed for long, and tidy the tables.

        :param cache_days: embeddings that no sync has used for so long are dropped; the index keeps its own
        :param index_days: indexes that were replaced so long ago are dropped
        """
        before = int(self.database.version()["bytes"])
        expired = self.store.expired_indexes(days=index_days)
        for index in expired:
            self.store.drop_index(index)
        embeddings = self.store.expire_embeddings(days=cache_days)
        self.store.vacuum()
        names = tuple(index.name for index in expired)
        return Maintenance(embeddings, names, before, int(self.database.version()["bytes"]))

    def _github_config(self, name: str) -> GitHubConfig:
        config = self.source_config(name)
        if not isinstance(config, GitHubConfig):
            raise ConfigurationError(
                f"{name} is a {config.kind} source; only a repository on GitHub has a past to read."
            )
        return config

    def _open_window(self, name: str, window: Window | None) -> Source:
        from rag.sources.github import GitHubWindow

        return GitHubWindow(
            self._github_config(name),
            self.store,
            window,
            token=self._github_token,
            api_url=self.settings.github_api_url,
        )

    @property
    def _github_token(self) -> str | None:
        token = self.settings.github_token
        return token.get_secret_value() if token else None

    def _ingestion(self, index: IndexInfo, embedding_workers: EmbeddingWorkers | None = None) -> Ingestion:
        from rag.embedding.cache import CachedEmbedding
        from rag.ingest.chunking import MarkdownChunker, without_addresses
        from rag.ingest.pipeline import Ingestion

        encoder = self.encoder(index.embedding_model)
        chunker = MarkdownChunker(
            lambda text: encoder.count_tokens(without_addresses(text)),
            max_tokens=min(encoder.max_tokens, _LONGEST_CHUNK),
        )
        embedding = CachedEmbedding(
            encoder, self.store, readable=without_addresses, embedding_workers=embedding_workers
        )
        return Ingestion(self.store, index, chunker, embedding, embedding_workers=embedding_workers)

    def _index_to_write(self) -> IndexInfo:
        from rag.ingest.chunking import CHUNKING

        model = self.settings.embedding_model
        index = self.store.active_index()
        if index and index.embedding_model == model:
            return index
        if index and self.store.has_chunks(index):
            raise ConfigurationError(
                f"The index holds vectors of {index.embedding_model} ({index.dimension} numbers each) and "
                f"RAG_EMBEDDING_MODEL is {model}. Set it back, or build an index for it: python -m flows.reindex."
            )
        new = IndexInfo(self._free_name(model), model, self.encoder(model).dimension, CHUNKING)
        self.store.create_index(new)
        if index:
            self.store.switch_index(index, new)
            self.store.drop_index(index)
        return new

    def _free_name(self, model: str) -> str:
        active = self.store.active_index()
        taken = {other.name for other, _ in self.store.other_indexes()} | ({active.name} if active else set())
        return next(name for name in _index_names(model) if name not in taken)

    def reindex(
        self, *, embedding_workers: EmbeddingWorkers | None = None, progress: Callable[[int], None] | None = None
    ) -> IndexInfo:
        """Build an index for RAG_EMBEDDING_MODEL beside the active one from the stored documents, then switch to it.

        Questions are answered from the old index until the switch; syncs wait. An interrupted run goes on where it
        stopped. The old index is kept for `roll_back`.

        :param embedding_workers: other processes that embed texts, if any
        :param progress: called after each batch with the number of documents done
        :raises ConfigurationError: there is nothing to index, or the active index is of this model already
        """
        from rag.ingest.chunking import CHUNKING

        model = self.settings.embedding_model
        old = self.check_reindex()
        begun = [
            other
            for other, _ in self.store.other_indexes()
            if (other.embedding_model, other.chunking) == (model, CHUNKING)
        ]
        new = begun[0] if begun else IndexInfo(self._free_name(model), model, self.encoder(model).dimension, CHUNKING)
        self._fill_and_switch(old, new, embedding_workers, progress)
        return new

    def roll_back(
        self, *, embedding_workers: EmbeddingWorkers | None = None, progress: Callable[[int], None] | None = None
    ) -> IndexInfo:
        """Switch back to the index before the active one, after bringing it in line with the stored documents.

        :param embedding_workers: other processes that embed texts, if any
        :param progress: called after each batch with the number of documents done
        :raises ConfigurationError: there is none, or its model cannot be asked
        """
        for other, was_active in self.store.other_indexes():
            if was_active:
                self._fill_and_switch(self._active, other, embedding_workers, progress)
                return other
        raise ConfigurationError("There is no index to go back to: none was replaced, or it was dropped.")

    def drop_other_indexes(self) -> list[IndexInfo]:
        """Remove every index but the active one, and return those that were."""
        others = [other for other, _ in self.store.other_indexes()]
        for other in others:
            self.store.drop_index(other)
        return others

    def _fill_and_switch(
        self,
        old: IndexInfo,
        new: IndexInfo,
        embedding_workers: EmbeddingWorkers | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        was_active = dict(self.store.other_indexes()).get(new, False)
        self.store.create_index(new)
        with self.store.locked_sources([status.name for status in self.store.source_status()]) as busy:
            if busy:
                raise SourceBusy(f"A sync of {busy} is running; wait until it has ended.")
            if was_active:
                self.store.queue_all_chunks(new)
            self._ingestion(new, embedding_workers).reindex(progress=progress)
            self.store.switch_index(old, new)

    def check_reindex(self) -> IndexInfo:
        """Return the active index if there is reason to build another one.

        :raises ConfigurationError: there is nothing to index, or the active index is of this model already
        """
        from rag.ingest.chunking import CHUNKING

        model, active = self.settings.embedding_model, self._active
        if (active.embedding_model, active.chunking) == (model, CHUNKING):
            raise ConfigurationError(f"The index {active.name} is of {model} already; there is nothing to build.")
        return active

    def _open_source(self, config: SourceConfig, *, most_removed: float, at_once: int | None = None) -> Source:
        if isinstance(config, GitHubConfig):
            from rag.sources.github import GitHubSource

            return GitHubSource(
                config,
                self.store,
                token=self._github_token,
                api_url=self.settings.github_api_url,
                most_removed=most_removed,
            )
        if isinstance(config, DocsConfig):
            from rag.sources.docs import DocsSource, Limits

            limits = Limits(concurrency=at_once) if at_once else None
            return DocsSource(config, self.store, limits=limits, most_removed=most_removed)
        from rag.sources.repository import RepositorySource

        return RepositorySource(config, self.store, self.settings.home, most_removed=most_removed)

    # Questions

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, filters: Filters | None = None
    ) -> list[SearchResult]:
        """Return the best chunk of each of the best documents, best first.

        :param source: search this source only
        :param filters: search only what they leave
        :raises ConfigurationError: the index is empty, the question is, or a filter can leave nothing
        """
        filters = self._check(question, source, filters)
        index = self.store.active_index() or self._active
        found = self._searcher(index, filters).search(masked(question.strip()), top_k=top_k)
        if not found:
            self._active  # noqa: B018 - says what to do if the index is empty
        return found

    def ask(
        self,
        question: str,
        *,
        top_k: int = 8,
        source: str | None = None,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """Answer a question from the index, or say that the sources do not.

        :param top_k: how many chunks the answer may draw on
        :param source: answer from this source only
        :param filters: answer only from what they leave
        :param history: earlier turns of the conversation, which a follow-up may refer to
        :raises ConfigurationError: the index is empty, the question is, or a filter can leave nothing
        :raises LLMError: the language model cannot be asked
        """
        filters = self._check(question, source, filters)
        from rag.llm.usage import counted

        with counted() as count:
            answer = self._answering(top_k, filters).answer(masked(question.strip()), history=_masked(history))
        return self._logged(answer, count, filters)

    def ask_stream(
        self,
        question: str,
        *,
        top_k: int = 8,
        source: str | None = None,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> Iterator[str | Answer]:
        """Yield an answer's paragraphs, each as soon as it is written and checked, and at the end the whole `Answer`.

        Parameters and errors are those of `ask`.
        """
        filters = self._check(question, source, filters)
        # Whoever reads this may do so from a thread a paragraph; what counts tokens wants one context.
        context = contextvars.copy_context()
        stream = self._stream(masked(question.strip()), top_k, filters, _masked(history))
        while (piece := context.run(next, stream, None)) is not None:
            yield piece

    def _stream(self, question: str, top_k: int, filters: Filters, history: Sequence[Turn]) -> Iterator[str | Answer]:
        from rag.llm.usage import counted

        with counted() as count:
            for piece in self._answering(top_k, filters).stream(question, history=history):
                yield self._logged(piece, count, filters) if isinstance(piece, Answer) else piece

    def _answering(self, top_k: int, filters: Filters) -> Answerer:
        return self.answerer(top_k=top_k, source=filters.source, searcher=self.searcher(filters))

    def _logged(self, answer: Answer, count: UsageCount, filters: Filters) -> Answer:
        """Return an answer with what it cost, and, where answers are logged, its id."""
        answer = replace(answer, usage=count.total(self.settings.llm_price))
        index = self.store.active_index()
        return self.answer_log.add(index, answer, filters=filters) if self.settings.log_answers and index else answer

    def _check(self, question: str, source: str | None, filters: Filters | None) -> Filters:
        """Return what to search, if it can be."""
        filters = filters or Filters()
        filters = replace(filters, source=source) if source is not None else filters
        if not question.strip():
            raise ConfigurationError("The question is empty.")
        for name, value, known in (("kind", filters.kind, KINDS), ("state", filters.state, STATES)):
            if value is not None and value not in known:
                raise ConfigurationError(f"{value!r} is no {name}; there are: {', '.join(known)}.")
        if filters.since and filters.until and filters.since > filters.until:
            raise ConfigurationError(f"Nothing was updated since {filters.since} and until {filters.until}.")
        if filters.source is not None and not self.store.has_source(filters.source):
            names = ", ".join(status.name for status in self.store.source_status())
            raise ConfigurationError(
                f"No source called {filters.source!r} has been ingested; there are: {names or 'none'}."
            )
        return filters

    @property
    def active_index(self) -> IndexInfo:
        """The index that questions are answered from.

        :raises ConfigurationError: it is empty
        """
        return self._active

    @property
    def _active(self) -> IndexInfo:
        index = self.store.active_index()
        if index is None or not self.store.has_chunks(index):
            raise ConfigurationError("The index is empty. Fill it with: python -m flows.ingest")
        return index

    def index_state(self) -> str:
        """Return a string that changes whenever the active index does: two equal ones, two equal answers.

        :raises ConfigurationError: the index is empty
        """
        return self.store.index_state(self.store.active_index() or self._active)

    def searcher(self, filters: Filters | None = None) -> Searcher:
        """Return a searcher of the active index, which always asks the model that made its vectors.

        :param filters: what every search of it is narrowed to
        """
        return self._searcher(self._active, filters)

    def _searcher(self, index: IndexInfo, filters: Filters | None = None) -> Searcher:
        from rag.search.searcher import Searcher

        encoder = self.encoder(index.embedding_model)
        return Searcher(self.store, index, encoder, filters=filters, reranker=self._reranker)

    @cached_property
    def _reranker(self) -> Reranker | None:
        """What RAG_RERANKER names.

        :raises ConfigurationError: it asks for a language model, and there is none
        """
        settings = self.settings
        if settings.reranker is None:
            return None
        from rag.search.rerank import CrossEncoderReranker, LLMReranker

        if settings.reranker != "llm":
            return CrossEncoderReranker(settings.reranker)
        from rag.llm.clients import open_llm

        llm = open_llm(settings.llm, api_key=self._openai_key, base_url=settings.openai_base_url)
        if llm is None:
            raise ConfigurationError(
                "RAG_RERANKER is 'llm', which needs a language model: set RAG_LLM or OPENAI_API_KEY."
            )
        return LLMReranker(llm, settings.llm)

    def retriever(
        self, *, top_k: int = 8, source: str | None = None, filters: Filters | None = None
    ) -> HybridRetriever:
        """Return a LlamaIndex retriever over the active index.

        :param filters: what it retrieves from
        """
        from rag.search.retriever import HybridRetriever

        return HybridRetriever(self.searcher(filters), top_k=top_k, source=source)

    def query_engine(
        self,
        *,
        top_k: int = 8,
        source: str | None = None,
        searcher: Searcher | None = None,
        streaming: bool = False,
    ) -> SupportQueryEngine:
        """Return a LlamaIndex query engine over the active index.

        :param searcher: what it retrieves with, instead of `searcher()`
        :param streaming: `query` returns a response whose text comes as it is written and checked
        """
        from rag.answer.query_engine import SupportQueryEngine

        return SupportQueryEngine(self.answerer(top_k=top_k, source=source, searcher=searcher), streaming=streaming)

    def answerer(self, *, top_k: int = 8, source: str | None = None, searcher: Searcher | None = None) -> Answerer:
        """Return what answers questions from the active index, without LlamaIndex unless there is a language model.

        :param searcher: searches instead of `searcher()`
        """
        from rag.answer.answering import Answerer
        from rag.answer.extracts import Extractor

        return Answerer(
            searcher or self.searcher(),
            Extractor(self.encoder(self._active.embedding_model)),
            writer=self._writer,
            llm_name=self.settings.llm,
            embedding_model=self._active.embedding_model,
            top_k=top_k,
            source=source,
        )

    @cached_property
    def _writer(self) -> AnswerWriter | None:
        """The language model of RAG_LLM as a writer of answers; None for extractive answers."""
        from rag.llm.clients import open_llm

        settings = self.settings
        llm = open_llm(
            settings.llm,
            api_key=self._openai_key,
            base_url=settings.openai_base_url,
            context_window=settings.context_window,
        )
        if llm is None:
            return None
        from rag.answer.writer import AnswerWriter

        return AnswerWriter(llm, settings.llm, settings.response_mode)

    def encoder(self, model: str) -> Encoder:
        """Return the encoder of an embedding model; it is loaded once, when first used."""
        from rag.embedding import open_encoder

        with self._building:
            if model not in self._encoders:
                self._encoders[model] = open_encoder(
                    model,
                    home=self.settings.home,
                    api_key=self._openai_key,
                    base_url=self.settings.openai_base_url,
                )
            return self._encoders[model]

    @property
    def _openai_key(self) -> str | None:
        key = self.settings.openai_api_key
        return key.get_secret_value() if key else None

    # Status

    def status(self) -> dict[str, Any]:
        """Return the shape that `rag.status --json` prints."""
        index = self.store.active_index()
        size = self.store.index_size(index) if index else None
        synced = {status.name: status for status in self.store.source_status()}
        configured = (
            {config.name: config.kind for config in self.settings.sources}
            if self.settings.sources_path.exists()
            else {}
        )
        names = [*synced, *(name for name in configured if name not in synced)]
        return {
            "database": self.database.version(),
            "index": {
                "name": index.name,
                "embedding_model": index.embedding_model,
                "dimension": index.dimension,
                "documents": size.documents,
                "chunks": size.chunks,
                "bytes": size.bytes,
            }
            if index and size
            else None,
            "sources": [
                {
                    "name": name,
                    "kind": status.kind if status else configured[name],
                    "documents": status.documents if status else 0,
                    "chunks": status.chunks if status else 0,
                    "last_success": status.last_success.isoformat() if status and status.last_success else None,
                    "last_error": status.last_error if status else None,
                    "cursor": status.cursor if status else {},
                }
                for name, status in ((name, synced.get(name)) for name in names)
            ],
            "answers": {
                **asdict(self.store.answer_counts()),
                "answer_anew": [answer.to_json() for answer in self.store.stale_answers()],
            },
            "settings": self.settings.masked(),
        }


def _masked(history: Sequence[Turn]) -> list[Turn]:
    """Return a conversation without secrets in its questions; its answers are of masked text."""
    return [replace(turn, question=masked(turn.question)) for turn in history]


def _index_names(model: str) -> Iterator[str]:
    """Make table names of a model's: "local/all-MiniLM-L6-v2" gives "all_minilm_l6_v2", then "all_minilm_l6_v2_2"."""
    provider, _, name = model.partition("/")
    stem = re.sub(r"[^a-z0-9]+", "_", (name if provider == "local" else model).lower()).strip("_")[:40]
    yield stem
    yield from (f"{stem}_{number}" for number in itertools.count(2))
