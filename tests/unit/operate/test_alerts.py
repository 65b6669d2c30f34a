"""Alerts: their text, and their delivery to a webhook on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rag.errors import RagError
from rag.operate.alerts import alert_text, post_alert
from rag.store.sources import Incident
from tests.servers.chat import Chat

OUTDATED = Incident("manual", 0, datetime(2024, 5, 31, 12, 30, tzinfo=UTC), timedelta(hours=5, minutes=10), None)
FAILING = Incident("issues", 3, None, timedelta(hours=2), "HTTP 502")


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    yield chat
    chat.close()


@pytest.mark.parametrize(
    ("incident", "text"),
    [
        (
            OUTDATED,
            "support-engine: manual has not synced successfully for 5 hours. Last success: 2024-05-31 12:30 UTC.",
        ),
        (FAILING, "support-engine: issues has failed 3 times in a row. Last success: none yet. Last error: HTTP 502"),
        (
            replace(FAILING, failures=2),
            "support-engine: issues has not synced successfully for 2 hours. "
            "Last success: none yet. Last error: HTTP 502",
        ),
    ],
    ids=["outdated", "failing", "failing and outdated"],
)
def test_the_text_has_the_reason_the_last_success_and_the_last_error(incident: Incident, text: str) -> None:
    assert alert_text(incident, most_failures=3) == text


@pytest.mark.parametrize(("hours", "duration"), [(1, "1 hour"), (71, "71 hours"), (72, "3 days"), (100, "4 days")])
def test_a_duration_is_in_hours_up_to_three_days(hours: int, duration: str) -> None:
    text = alert_text(replace(OUTDATED, age=timedelta(hours=hours)), most_failures=3)
    assert f"successfully for {duration}." in text


def test_an_alert_is_posted_in_slack_s_format(chat: Chat) -> None:
    post_alert(chat.url, "manual is outdated")
    assert chat.texts == ["manual is outdated"]


def test_a_webhook_that_recovers_gets_the_alert_once(chat: Chat) -> None:
    chat.failures = 2
    post_alert(chat.url, "manual is outdated", backoff_seconds=0)
    assert chat.texts == ["manual is outdated"]
    assert chat.requests == 3


@pytest.mark.parametrize("status", [404, 500])
def test_the_error_for_a_refusing_webhook_names_only_its_host(chat: Chat, status: int) -> None:
    chat.status = status
    with pytest.raises(RagError) as error:
        post_alert(chat.url, "manual is outdated", backoff_seconds=0)
    assert str(error.value) == (
        f"The alert could not be delivered to 127.0.0.1: HTTP {status}. Check RAG_ALERT_WEBHOOK."
    )
    assert error.value.__suppress_context__, "the client's message has the whole URL"
    assert chat.requests == 3


def test_an_unreachable_webhook_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RagError, match=r"delivered to 127\.0\.0\.1: ConnectError\. Check RAG_ALERT_WEBHOOK"):
        post_alert(f"http://127.0.0.1:{port}/hook/secret", "manual is outdated", backoff_seconds=0)
