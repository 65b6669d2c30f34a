"""The metrics at /metrics, read by Prometheus's own parser."""

from __future__ import annotations

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families


def metrics(address: str) -> dict[tuple[str, ...], float]:
    """All samples, by name and label values."""
    response = httpx.get(f"{address}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    families = list(text_string_to_metric_families(response.text))
    assert all(family.documentation for family in families)
    return {
        (sample.name.removeprefix("support_engine_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_describe_every_source(address: str) -> None:
    seen = metrics(address)

    assert seen["up",] == 1
    assert seen["source_documents", "docs", "docs"] > 0
    assert 0 <= time.time() - seen["source_last_success_timestamp_seconds", "docs", "docs"] < 3600
    assert seen["source_failed_runs", "docs", "docs"] == 0
    assert seen["index_chunks",] == seen["source_chunks", "docs", "docs"]


def test_metrics_count_requests(address: str) -> None:
    before = metrics(address)

    httpx.get(f"{address}/api/search", params={"q": "vacuum"})
    httpx.get(f"{address}/api/search", params={"q": " "})
    httpx.get(f"{address}/api/nothing")

    after = metrics(address)
    for status in ("200", "400"):
        key = ("requests_total", "/api/search", status)
        assert after[key] == before.get(key, 0) + 1
    assert not [key for key in after if "/api/nothing" in key], "requests must not create series of their own"
    assert after["request_seconds_count", "/api/search"] == before.get(("request_seconds_count", "/api/search"), 0) + 2


def test_metrics_count_streams(address: str) -> None:
    httpx.get(f"{address}/api/ask/stream", params={"q": "What does VACUUM do?"})
    assert metrics(address)["requests_total", "/api/ask/stream", "200"] == 1


def test_an_empty_index_has_metrics_too(empty_address: str) -> None:
    assert metrics(empty_address)["up",] == 1
