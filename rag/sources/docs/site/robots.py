"""The rules for crawlers in a site's robots.txt."""

from __future__ import annotations

import codecs
import logging
import math
import re
from urllib.parse import urljoin, urlsplit

from protego import Protego

from rag.errors import SourceUnavailable
from rag.sources.docs.fetching.fetch import USER_AGENT, Fetched, Fetcher, FetchError
from rag.sources.docs.urls import resolved

__all__ = ["Robots", "read_robots"]

log = logging.getLogger(__name__)

# RFC 9309: read at least 500 KiB, follow at least five redirects.
_MAX_BYTES = 512_000
_MAX_REDIRECTS = 5
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_RULES = re.compile(r"^[ \t]*user-agent[ \t]*:", re.IGNORECASE | re.MULTILINE)
#: The longest pause between two requests, in seconds; Bing, too, takes no longer one for meant.
_LONGEST_DELAY = 30.0
#: A longer pause than a day is a mistake, and is replaced by one second.
_DAY = 86_400.0
_DELAY_INSTEAD = 1.0


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
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that the file names."""
        return tuple(self._rules.sitemaps) if self._rules else ()

    @property
    def asked_delay(self) -> float:
        """The time between two requests that the rules ask for, in seconds."""
        if self._rules is None:
            return 0.0
        rate = self._rules.request_rate(USER_AGENT)
        delays = [self._rules.crawl_delay(USER_AGENT) or 0.0, rate.seconds / rate.requests if rate else 0.0]
        return max((delay for delay in delays if math.isfinite(delay)), default=0.0)

    @property
    def delay(self) -> float:
        """The time between two requests that the crawl keeps, in seconds."""
        asked = self.asked_delay
        return _DELAY_INSTEAD if asked > _DAY else max(0.0, min(asked, _LONGEST_DELAY))


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
        if 300 <= response.status < 400:
            target = resolved(response.headers.get("location", ""), url)
            if target is None or target == url:
                break
            url = target
            continue
        if response.status == 200:
            return _checked(Robots(_text(response)), start)
        break
    return Robots()


def _text(response: Fetched) -> str:
    """Return the rules in a response, empty if it is a page: some sites answer any address with one."""
    body = response.body[:_MAX_BYTES]
    encoding = next((encoding for mark, encoding in _BOMS if body.startswith(mark)), "utf-8")
    text = body.decode(encoding, "replace").lstrip("\ufeff")
    is_page = response.content_type in ("text/html", "application/xhtml+xml") or text.lstrip()[:1] == "<"
    return "" if is_page and not _RULES.search(text) else text


def _checked(robots: Robots, start: str) -> Robots:
    if robots.asked_delay > robots.delay:
        log.warning(
            "robots.txt of %s asks for %g seconds between two requests; this crawl leaves %g",
            urlsplit(start).hostname,
            robots.asked_delay,
            robots.delay,
        )
    return robots
