"""Syncs: update the index with the new, changed and deleted documents of a source, one sync of a source at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from rag.embedding.cache import CachedEncoder
from rag.embedding.encoders import Encoders
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import DatabaseError
from rag.ingest.endings import told_as_error
from rag.ingest.indexing import Indexing
from rag.ingest.opening import SourceOpener
from rag.ingest.pipeline import Ingestion, Progress
from rag.ingest.report import SyncReport
from rag.settings import SourceConfig
from rag.sources import MOST_REMOVED, Source
from rag.store.index_info import IndexInfo
from rag.store.locks import locked_source
from rag.store.sources import HostShare
from rag.store.store import Store

__all__ = ["Syncs"]

log = logging.getLogger(__name__)

# Enough for the four requests that a remote model is sent at once.
_EMBEDDED_AT_ONCE = 512


class Syncs:
    """Syncs sources.

    :param log_days: logged answers expire after this number of days
    """

    def __init__(
        self, store: Store, sources: SourceOpener, indexing: Indexing, encoders: Encoders, *, log_days: int
    ) -> None:
        self._store = store
        self._sources = sources
        self._indexing = indexing
        self._encoders = encoders
        self._log_days = log_days

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
        """Update the index with the new, changed and deleted documents of a source of sources.toml.

        :param full: read the whole source again and remove what was deleted upstream
        :param accept_removals: remove deleted documents even if they are most of the source
        :param at_once: the number of concurrent requests to a docs site
        :param embedding_workers: other processes that embed texts
        :param progress: called after each batch with the report so far
        :returns: the outcome; its state is "failed" if anything in the source could not be read
        :raises SourceError: the source failed part-way; what was committed stays
        """
        most_removed = 1.0 if accept_removals else MOST_REMOVED
        source = self._sources.open(self._sources.config(name), most_removed=most_removed, at_once=at_once)
        return self.ingest(source, full=full, embedding_workers=embedding_workers, progress=progress)

    def ingest(
        self,
        source: Source,
        *,
        full: bool = False,
        embedding_workers: EmbeddingWorkers | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Update the index with the changes of any source, configured or of your own; see `sync`."""
        self._indexing.index_to_write()  # refuses before the source is registered
        self._store.sources.register(source.name, source.kind)
        with locked_source(self._store.sources, source.name):
            # Only who holds the lock of a source keeps others from switching to another index.
            index = self._indexing.index_to_write()
            with self._marking_stale_answers(index):
                ingestion = self._indexing.ingestion(index, embedding_workers)
                return self.run(source, ingestion, full=full, progress=progress)

    def run(
        self, source: Source, ingestion: Ingestion, *, full: bool = False, progress: Progress | None = None
    ) -> SyncReport:
        """Sync a source whose lock is held, and record the outcome, however it ends.

        :raises RagError: the sync broke off; whatever ended it is told in a sentence
        """
        self._store.sources.mark_started(source.name)
        try:
            report = ingestion.sync(source, full=full, progress=progress)
        except Exception as error:
            told = told_as_error(error, source.name)
            self._record_failure(source.name, str(told))
            if told is error:
                raise
            raise told from error
        except BaseException:
            self._record_failure(source.name, "The last sync was interrupted.")
            raise
        if report.state == "completed":
            self._store.sources.mark_synced(source.name)
        else:
            first = report.errors[0]
            problem = f"{report.failed} failed; the first: {first.url}: {first.error}"
            self._store.sources.mark_failed(source.name, problem)
        return report

    def _record_failure(self, name: str, problem: str) -> None:
        try:
            self._store.sources.mark_failed(name, problem)
        except DatabaseError as error:
            # The reason of the sync's end matters more than that it could not be recorded.
            log.warning("%s: the failure of its sync could not be recorded: %s", name, error)

    @contextmanager
    def reading_host(self, host: str) -> Iterator[HostShare]:
        """Be known as one of those who read from a host of docs sites, or wait for it; see `HostShare`."""
        with self._store.sources.host_shared(host) as share:
            yield share

    def config(self, name: str) -> SourceConfig:
        """Return the configuration of a source.

        :raises ConfigurationError: sources.toml has no source of this name
        """
        return self._sources.config(name)

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Keep syncs of a source out, but not the windows of a backfill.

        :raises SourceBusy: a sync of the source is running
        """
        self._store.sources.register(name, self._sources.config(name).kind)
        with locked_source(self._store.sources, name, shared=True):
            yield

    def embed_batch(self, batch: UUID) -> int:
        """Embed a batch of texts that another process has stored, into the cache.

        :returns: the number of texts embedded; 0 if the cache held all of them or the batch is no longer wanted
        """
        found = self._store.embeddings.batch(batch)
        if found is None:
            return 0
        model, texts = found
        encoder = CachedEncoder(self._encoders.of(model), self._store.embeddings)
        # A part at a time, so that another attempt continues where this one was interrupted.
        for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
            encoder.encode(texts[start : start + _EMBEDDED_AT_ONCE])
        return encoder.embedded

    @contextmanager
    def _marking_stale_answers(self, index: IndexInfo) -> Iterator[None]:
        """Mark stale the answers that are logged while a sync runs, and remove expired ones."""
        started = self._store.now()
        yield
        self._store.answers.mark_late_stale(index, started)
        self._store.answers.prune(self._log_days)
