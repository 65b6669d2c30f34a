"""Alerts about failing or outdated sources, posted to a webhook that accepts Slack's JSON: {"text": …}."""

from __future__ import annotations

from urllib.parse import urlsplit

from rag.errors import RagError
from rag.store.sources import Incident

__all__ = ["TIMEOUT", "alert_text", "post_alert"]

#: In seconds, for one attempt, however slowly the reply is sent.
TIMEOUT = 10.0
_ATTEMPTS = 3


def alert_text(incident: Incident, *, most_failures: int) -> str:
    """Return the text of an alert: what is wrong, since when, and the last error.

    :param most_failures: the failures in a row from which on they are the reason, and not the age
    """
    if incident.failures >= most_failures:
        reason = f"{incident.name} has failed {incident.failures} times in a row"
    else:
        reason = f"{incident.name} has not synced successfully for {_duration(incident.age.total_seconds())}"
    since = f"{incident.last_success:%Y-%m-%d %H:%M} UTC" if incident.last_success else "none yet"
    error = f" Last error: {incident.last_error}" if incident.last_error else ""
    return f"support-engine: {reason}. Last success: {since}.{error}"


def post_alert(webhook: str, text: str, *, backoff_seconds: float = 0.5, timeout: float = TIMEOUT) -> None:
    """Post a text to a webhook, in up to 3 attempts.

    :param backoff_seconds: the wait before the second attempt, doubled before the third
    :param timeout: the seconds of an attempt
    :raises RagError: every attempt failed; the message has only the host of the URL, the rest of which is a secret
    """
    import httpx
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    from rag.net.bounded import bounded

    def post() -> None:
        with (
            bounded(httpx.Client(timeout=timeout), whole=timeout) as client,
            client.stream("POST", webhook, json={"text": text}) as reply,
        ):
            reply.raise_for_status()  # what else the reply says is not read

    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential(multiplier=backoff_seconds),
        retry=retry_if_exception_type(httpx.HTTPError),
        reraise=True,
    )
    try:
        attempts(post)
    except httpx.HTTPError as error:
        problem = type(error).__name__
        if isinstance(error, httpx.HTTPStatusError):
            problem = f"HTTP {error.response.status_code}"
        # Not chained: the client's message has the whole URL.
        raise RagError(
            f"The alert could not be delivered to {urlsplit(webhook).hostname}: {problem}. Check RAG_ALERT_WEBHOOK."
        ) from None


def _duration(seconds: float) -> str:
    hours = round(seconds / 3600)
    if hours == 1:
        return "1 hour"
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"
