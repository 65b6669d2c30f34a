"""The rules for crawlers in a site's robots.txt."""

from __future__ import annotations

from urllib.parse import urljoin

from protego import Protego

from rag.errors import SourceUnavailable
from rag.sources.docs.fetch import USER_AGENT, Fetcher, FetchError

__all__ = ["Robots", "read_robots"]

# RFC 9309: read at least 500 KiB, follow at least five redirects.
_MAX_BYTES = 512_000
_MAX_REDIRECTS = 5


class Robots:
    """The rules of one site.

    :param text: the file's content
    """

    def __init__(self, text: str = "") -> None:
        self._rules = Protego.parse(text) if text.strip() else None

    def allows(self, url: str) -> bool:
        """Return whether the rules allow this crawler to fetch a URL."""
        return self._rules is None or self._rules.can_fetch(url, USER_AGENT)

    @property
    def delay(self) -> float:
        """The shortest time between two requests, in seconds."""
        if self._rules is None:
            return 0.0
        rate = self._rules.request_rate(USER_AGENT)
        return max(self._rules.crawl_delay(USER_AGENT) or 0.0, rate.seconds / rate.requests if rate else 0.0)


def read_robots(start: str, fetcher: Fetcher) -> Robots:
    """Fetch the rules of a site. A missing file allows everything; as long as the server fails, nothing is allowed.

    :param start: any URL of the site
    :raises SourceUnavailable: the server answers with an error
    :raises FetchError: the server cannot be reached
    """
    url = urljoin(start, "/robots.txt")
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            response = fetcher.get(url, max_bytes=_MAX_BYTES * 4)
        except FetchError as error:
            if error.status is not None:
                raise SourceUnavailable(
                    f"{url} cannot be read ({error}), so nothing may be crawled; try again later."
                ) from error
            raise
        location = response.headers.get("location")
        if 300 <= response.status < 400 and location:
            url = urljoin(url, location)
            continue
        if response.status == 200 and response.content_type not in ("text/html", "application/xhtml+xml"):
            return Robots(response.body[:_MAX_BYTES].decode("utf-8", "replace"))
        break
    return Robots()
