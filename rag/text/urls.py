"""Web addresses."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["is_web_url", "repository_of"]


def is_web_url(url: str) -> bool:
    """Return whether a text is an absolute http:// or https:// URL, and so may become a link."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
    except ValueError:  # such as http://[
        return False


def repository_of(url: str) -> str:
    """Return the repository of a thread's address, as OWNER/NAME."""
    return "/".join(urlsplit(url).path.strip("/").split("/")[:2])
