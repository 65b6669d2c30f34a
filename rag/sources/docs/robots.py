"""What a site asks of crawlers in its robots.txt."""

from __future__ import annotations

from urllib.parse import urljoin

from protego import Protego

from rag.errors import SourceUnavailable
from rag.sources.docs.fetch import USER_AGENT, Fetcher, FetchError

__all__ = ["Robots", "read_robots"]

# As RFC 9309 asks: read at least so much, follow at least five redirects.
_LONGEST = 500_000
_REDIRECTS = 5


class Robots:
    """The rules of one site.

    :param text: the file's content
    """

    def __init__(self, text: str = "") -> None:
        self._rules = Protego.parse(text) if text.strip() else None

    def allows(self, url: str) -> bool:
        """Return whether we may fetch a URL."""
        return self._rules is None or self._rules.can_fetch(url, USER_AGENT)

    @property
    def delay(self) -> float:
        """Seconds that have to lie between two requests."""
        if self._rules is None:
            return 0.0
        rate = self._rules.request_rate(USER_AGENT)
        return max(self._rules.crawl_delay(USER_AGENT) or 0.0, rate.seconds / rate.requests if rate else 0.0)


def read_robots(start: str, fetcher: Fetcher) -> Robots:
    """Fetch the rules of a site. No file means no rules; a file that cannot be read now forbids everything.

    :param start: any URL of the site
    :raises SourceUnavailable: the server fails on robots.txt
    :raises FetchError: the server cannot be reached at all
    """
    url = urljoin(start, "/robots.txt")
    for _ in range(_REDIRECTS + 1):
        try:
            response = fetcher.get(url, max_bytes=_LONGEST * 4)
        except FetchError as error:
            if error.transient and "the server answers" in str(error):
                raise SourceUnavailable(
                    f"{url} cannot be read ({error}), so nothing may be crawled; try later."
                ) from error
            raise
        location = response.headers.get("location")
        if 300 <= response.status < 400 and location:
            url = urljoin(url, location)
            continue
        if response.status == 200 and response.content_type not in ("text/html", "application/xhtml+xml"):
            return Robots(response.body[:_LONGEST].decode("utf-8", "replace"))
        break
    return Robots()
