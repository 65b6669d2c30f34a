"""Tell a chat that a source is in trouble, by a webhook that takes what Slack's takes: {"text": …}."""

from __future__ import annotations

from urllib.parse import urlsplit

from rag.errors import RagError
from rag.models import Trouble

__all__ = ["alert_text", "post_alert"]

_TIMEOUT_SECONDS = 10.0
_ATTEMPTS = 3


def alert_text(trouble: Trouble, *, most_failures: int) -> str:
    """Say in a sentence or two what is wrong with a source."""
    if trouble.failures >= most_failures:
        what = f"{trouble.name} has failed {trouble.failures} times in a row"
    else:
        what = f"{trouble.name} has not been in line with its origin for {_span(trouble.age.total_seconds())}"
    since = f"{trouble.last_success:%Y-%m-%d %H:%M} UTC" if trouble.last_success else "none yet"
    reason = f" Last error: {trouble.last_error}" if trouble.last_error else ""
    return f"support-engine: {what}. Last success: {since}.{reason}"


def post_alert(webhook: str, text: str) -> None:
    """Post a text to a webhook.

    :raises RagError: it does not take it; the message names its host only, since the rest of the URL is a secret
    """
    import httpx  # which no search should pay for

    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            response = httpx.post(webhook, json={"text": text}, timeout=_TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            problem = type(error).__name__
            continue
        if response.is_success:
            return
        problem = f"HTTP {response.status_code}"
    raise RagError(
        f"The alert could not be delivered to {urlsplit(webhook).hostname}: {problem}. Check RAG_ALERT_WEBHOOK."
    )


def _span(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"
