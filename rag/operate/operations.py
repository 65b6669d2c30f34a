"""What an operator asks for: status, alerts, maintenance, removal and moving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from rag.errors import ConfigurationError, RagError
from rag.operate.alerts import TIMEOUT, alert_text, post_alert
from rag.settings import Settings
from rag.store.copying import copy_store
from rag.store.indexes import IndexSize
from rag.store.locks import all_sources_locked, locked_source
from rag.store.postgres.database import Database
from rag.store.sources import Incident, SourceStatus
from rag.store.store import Store

__all__ = ["Maintenance", "Operations"]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What a maintenance run removed."""

    #: the number of cached embeddings that no sync had used for long
    embeddings: int
    #: names of the indexes that were replaced long ago
    indexes: tuple[str, ...]
    bytes_before: int
    bytes_after: int


class Operations:
    """Operates an index and its sources."""

    def __init__(self, settings: Settings, database: Database, store: Store) -> None:
        self._settings = settings
        self._database = database
        self._store = store

    def sources(self) -> list[SourceStatus]:
        """Return every source that has ever been synced, with its counts."""
        return self._store.sources.status()

    def index_size(self) -> IndexSize | None:
        """Return the size of the active index; None if there is none."""
        index = self._store.indexes.active()
        return self._store.indexes.size(index) if index else None

    def document_count(self, source: str) -> int:
        """Return how many documents of a source are stored."""
        return self._store.documents.count(source)

    def count_failure(self, source: str) -> None:
        """Record that a run of a source has failed, all its attempts included."""
        self._store.sources.count_failure(source)

    def remove_source(self, name: str) -> int:
        """Remove a source with all its documents; return their number.

        :raises ConfigurationError: no such source was ever synced
        :raises SourceBusy: a sync of it is running
        """
        if not self._store.sources.exists(name):
            known = ", ".join(status.name for status in self.sources()) or "none"
            raise ConfigurationError(f"No source called {name!r} has been ingested; there are: {known}.")
        with locked_source(self._store.sources, name):
            documents = self._store.documents.count(name)
            self._store.sources.delete(name)
        return documents

    def copy_to(self, other: Database, *, progress: Callable[[str], None] | None = None) -> dict[str, int]:
        """Copy everything into another database; syncs wait meanwhile.

        :param progress: called with the name of each table before its rows are sent
        :returns: the number of rows copied, by table
        :raises ConfigurationError: the other database is not empty
        :raises SourceBusy: a sync is running
        :raises DatabaseError: the copy broke off, and nothing of it was kept
        """
        if known := [status.name for status in Store(other).sources.status()]:
            raise ConfigurationError(
                f"The other database holds sources already: {', '.join(known)}. Choose an empty database."
            )
        with all_sources_locked(self._store.sources):
            return copy_store(self._database, other, progress=progress)

    def send_alerts(self, ages: Mapping[str, timedelta], *, timeout: float = TIMEOUT) -> list[Incident]:
        """Post an alert for each source that has failed RAG_ALERT_FAILURES times in a row or is too old.

        One alert is sent for an incident, which ends with the next success.

        :param ages: by source, how long ago its last success may be
        :param timeout: the seconds of each of the three attempts to post an alert
        :returns: the incidents that were alerted for now
        :raises RagError: the webhook refuses an alert; the next call tries again
        """
        webhook, most = self._settings.alert_webhook, self._settings.alert_failures
        if not webhook:
            return []
        alerted = []
        for name, age in ages.items():
            incident = self._store.sources.claim_alert(name, failures=most, age=age)
            if incident is None:
                continue
            try:
                text = alert_text(incident, most_failures=most)
                post_alert(webhook.get_secret_value(), text, timeout=timeout)
            except RagError:
                self._store.sources.return_alert(name)
                raise
            alerted.append(incident)
        return alerted

    def maintain(self, *, cache_days: int = 180, index_days: int = 30) -> Maintenance:
        """Remove what has not been used for long, and vacuum the tables.

        :param cache_days: cached embeddings that no sync has used for this long are removed; indexes keep their own
        :param index_days: indexes that were replaced this long ago are removed
        """
        before = int(self._database.version()["bytes"])
        expired = self._store.indexes.expired(days=index_days)
        for index in expired:
            self._store.indexes.drop(index)
        embeddings = self._store.embeddings.expire(days=cache_days)
        self._store.vacuum()
        names = tuple(index.name for index in expired)
        return Maintenance(embeddings, names, before, int(self._database.version()["bytes"]))

    def check_database(self) -> None:
        """Run a query.

        :raises DatabaseError: the database does not answer
        """
        self._store.indexes.active()

    def status(self) -> dict[str, Any]:
        """Return the shape that `rag.status --json` prints."""
        return {
            "database": self._database.version(),
            "index": self._index_status(),
            "sources": self._source_status(),
            "answers": {
                **asdict(self._store.answers.counts()),
                "answer_anew": [answer.to_json() for answer in self._store.answers.stale()],
            },
            "settings": self._settings.masked(),
        }

    def _index_status(self) -> dict[str, Any] | None:
        index = self._store.indexes.active()
        if index is None:
            return None
        size = self._store.indexes.size(index)
        return {
            "name": index.name,
            "embedding_model": index.embedding_model,
            "dimension": index.dimension,
            "documents": size.documents,
            "chunks": size.chunks,
            "bytes": size.bytes,
        }

    def _source_status(self) -> list[dict[str, Any]]:
        synced = {status.name: status for status in self.sources()}
        configured = self._settings.sources if self._settings.sources_path.exists() else ()
        kinds = {config.name: config.kind for config in configured if config.name not in synced}
        return [_synced_source(status) for status in synced.values()] + [
            _unsynced_source(name, kind) for name, kind in kinds.items()
        ]


def _synced_source(status: SourceStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "kind": status.kind,
        "documents": status.documents,
        "chunks": status.chunks,
        "last_success": status.last_success.isoformat() if status.last_success else None,
        "last_error": status.last_error,
        "cursor": status.cursor,
    }


def _unsynced_source(name: str, kind: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"documents": 0, "chunks": 0, "last_success": None, "last_error": None, "cursor": {}}
    return {"name": name, "kind": kind, **empty}
