"""Backfills: read the past of a GitHub source in windows, several at once, on any number of machines."""

from __future__ import annotations

from datetime import datetime

from rag.ingest.indexing import Indexing
from rag.ingest.opening import SourceOpener
from rag.ingest.pipeline import Progress
from rag.ingest.report import SyncReport
from rag.ingest.sync import Syncs
from rag.settings import Settings
from rag.sources import MOST_REMOVED
from rag.sources.windows import Backfill, Window
from rag.store.locks import locked_source
from rag.store.store import Store

__all__ = ["Backfills"]


class Backfills:
    """Plans, reads and finishes backfills."""

    def __init__(
        self, settings: Settings, store: Store, sources: SourceOpener, indexing: Indexing, syncs: Syncs
    ) -> None:
        self._settings = settings
        self._store = store
        self._sources = sources
        self._indexing = indexing
        self._syncs = syncs

    def plan(self, name: str, *, start: datetime | None = None, end: datetime | None = None, days: int = 7) -> Backfill:
        """Cut a span of a GitHub source's past into windows, to be read by `read_window`, oldest first.

        :param start: the beginning if None
        :param end: now if None
        :param days: the length of a window
        :raises ConfigurationError: the source is not a GitHub source, or the span is empty
        :raises SourceError: the repository cannot be read
        """
        from rag.sources.github import GitHubClient, plan_backfill

        config = self._sources.github_config(name)
        self._store.sources.register(name, config.kind)
        client = GitHubClient(token=self._settings.github_key, api_url=self._settings.github_api_url)
        try:
            return plan_backfill(config, self._store, client, start=start, end=end, days=days)
        finally:
            client.close()

    def read_window(self, name: str, window: Window, *, progress: Progress | None = None) -> SyncReport:
        """Read one window into the index; several may be read at once, here and on other machines.

        :returns: the outcome; threads that appear in other windows too are left to `finish`
        :raises SourceError: GitHub failed part-way; what was committed stays
        """
        source = self._sources.open_window(name, window)
        self._indexing.index_to_write()  # refuses before the source is registered
        self._store.sources.register(source.name, source.kind)
        with locked_source(self._store.sources, source.name, shared=True):
            index = self._indexing.index_to_write()
            return self._indexing.ingestion(index).sync(source, partial=True, progress=progress)

    def finish(self, backfill: Backfill, *, progress: Progress | None = None) -> SyncReport:
        """Complete a backfill whose windows are all read: write the rest, and sync what changed meanwhile.

        :raises SourceBusy: a sync of the source is running
        :raises SourceError: GitHub failed part-way; what was committed stays
        """
        from rag.sources.github import finish_backfill

        source = self._sources.open(self._sources.github_config(backfill.source), most_removed=MOST_REMOVED)
        self._store.sources.register(source.name, source.kind)
        with locked_source(self._store.sources, source.name):
            index = self._indexing.index_to_write()
            if finish_backfill(backfill, self._store):
                return self._syncs.run(source, self._indexing.ingestion(index), progress=progress)
            rest = self._sources.open_window(backfill.source, None)
            return self._indexing.ingestion(index).sync(rest, progress=progress)
