"""Prometheus metrics of the sources, the index and the requests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.operate.operations import Operations
from rag.store.sources import SourceStatus

__all__ = ["CONTENT_TYPE_LATEST", "Counted", "Metrics"]

_PREFIX = "support_engine"
# In seconds: extracts take tens of milliseconds, a language model takes seconds.
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Request metrics of this process, and database metrics as of the scrape."""

    def __init__(self, operations: Operations) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Database(operations))
        self._requests = Counter(
            f"{_PREFIX}_requests", "Requests answered by this process", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            f"{_PREFIX}_request_seconds", "How long requests took", ["path"], buckets=_BUCKETS, registry=self._registry
        )

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self._registry)


#: What is counted, which excludes monitoring and static files; a request to anything else makes no series.
_COUNTED = frozenset(
    {
        "/",
        "/api/ask",
        "/api/ask/stream",
        "/api/search",
        "/api/v1/ask",
        "/api/v1/documents",
        "/api/v1/feedback",
        "/api/v1/search",
        "/api/v1/similar",
        "/api/v1/sources",
        "/api/v1/verify",
        "/mcp",
        "/v1/chat/completions",
    }
)


class Counted:
    """ASGI middleware that counts the requests to the endpoints, refused ones and streams included."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request and count its response."""
        if scope["type"] != "http" or scope["path"] not in _COUNTED:
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_and_count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_count)
        finally:
            self._metrics.count(scope["path"], status, time.perf_counter() - started)


class _Database:
    """Reads the database on every scrape."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def describe(self) -> Iterator[Metric]:
        """Yield nothing, so that registering does not read the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = GaugeMetricFamily(f"{_PREFIX}_up", "Whether the database answers")
        try:
            sources, size = self._operations.sources(), self._operations.index_size()
        except Exception:  # noqa: BLE001 - every error means "down" to a monitor
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _of_sources(sources)
        if size:
            yield GaugeMetricFamily(f"{_PREFIX}_index_documents", "Documents in the index", size.documents)
            yield GaugeMetricFamily(f"{_PREFIX}_index_chunks", "Chunks in the index", size.chunks)
            yield GaugeMetricFamily(f"{_PREFIX}_index_bytes", "Bytes of the index's tables", size.bytes)


def _of_sources(sources: Sequence[SourceStatus]) -> Iterator[Metric]:
    gauges = {
        "documents": "Documents of a source",
        "chunks": "Chunks of a source",
        "last_success_timestamp_seconds": "Time of the last successful sync of a source; 0 if never",
        "failed_runs": "Failed runs of a source since its last success",
    }
    families = {
        name: GaugeMetricFamily(f"{_PREFIX}_source_{name}", said, labels=["source", "kind"])
        for name, said in gauges.items()
    }
    for one in sources:
        values = (
            one.documents,
            one.chunks,
            one.last_success.timestamp() if one.last_success else 0,
            one.failures,
        )
        for family, value in zip(families.values(), values, strict=True):
            family.add_metric([one.name, one.kind], value)
    yield from families.values()
