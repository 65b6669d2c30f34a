"""The pages that a site lists: sitemap files, sitemap indexes, plain lists, llms.txt."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin, urlsplit

from lxml import etree

from rag.sources.docs.fetch import Fetcher, FetchError

__all__ = ["Listed", "SitemapError", "list_pages"]

# The limit of sitemaps.org is 50 MB and 50,000 addresses a file.
_MAX_BYTES = 52_428_800
_MAX_FILES = 500
_MAX_PAGES = 200_000
_MAX_REDIRECTS = 5
_MARKDOWN_LINK = re.compile(r"\]\(<?([^)\s>]+)|^(https?://\S+)$", re.MULTILINE)


class SitemapError(Exception):
    """A sitemap could not be read; `transient` says whether trying again later may help."""

    def __init__(self, url: str, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.url = url
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Listed:
    """A page in a sitemap. `lastmod` is the time of its last change, None if the sitemap gives none."""

    url: str
    lastmod: str | None = None


def list_pages(url: str, fetcher: Fetcher) -> Iterator[Listed | SitemapError]:
    """Yield the pages of a sitemap; of a sitemap index, the pages of the files on the same host that it lists.

    A file of an index that cannot be read is yielded as an error, and the others are read.

    :raises SitemapError: the first file cannot be read
    """
    waiting = [url]
    seen = {url}
    pages = 0
    while waiting:
        file = waiting.pop(0)
        try:
            found, more = _read(file, fetcher)
        except SitemapError as error:
            if file == url:
                raise
            yield error
            continue
        for address in (listed.url for listed in more):
            if address not in seen and urlsplit(address).netloc == urlsplit(url).netloc:
                if len(seen) >= _MAX_FILES:
                    yield SitemapError(url, f"it lists more than {_MAX_FILES} files", transient=True)
                    waiting.clear()
                    break
                seen.add(address)
                waiting.append(address)
        for listed in found:
            pages += 1
            if pages > _MAX_PAGES:
                yield SitemapError(url, f"it lists more than {_MAX_PAGES} pages", transient=True)
                return
            yield listed


def _read(url: str, fetcher: Fetcher) -> tuple[list[Listed], list[Listed]]:
    """Return the pages and the sitemaps in one file."""
    try:
        body, content_type = _fetch(url, fetcher)
    except FetchError as error:
        raise SitemapError(url, str(error), transient=error.transient) from error
    if body[:2] == b"\x1f\x8b":
        body = _unpacked(url, body)
    if urlsplit(url).path.endswith((".txt", ".md")) or content_type in ("text/plain", "text/markdown"):
        text = body.decode("utf-8-sig", "replace")
        if not text.lstrip().startswith("<"):
            return [Listed(urljoin(url, match[1] or match[2])) for match in _MARKDOWN_LINK.finditer(text)], []
    return _parse(url, body)


def _fetch(url: str, fetcher: Fetcher) -> tuple[bytes, str]:
    for _ in range(_MAX_REDIRECTS + 1):
        response = fetcher.get(url, max_bytes=_MAX_BYTES)
        location = response.headers.get("location")
        if 300 <= response.status < 400 and location:
            url = urljoin(url, location)
            continue
        if response.status != 200:
            raise FetchError(f"the server answers {response.status}", transient=False)
        return response.body, response.content_type
    raise FetchError(f"it redirects more than {_MAX_REDIRECTS} times", transient=False)


def _unpacked(url: str, body: bytes) -> bytes:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = stream.decompress(body, _MAX_BYTES)
    except zlib.error as error:
        raise SitemapError(url, "it is not valid gzip", transient=False) from error
    if stream.unconsumed_tail:
        raise SitemapError(url, f"it is larger than {_MAX_BYTES // 1_048_576} MB unpacked", transient=False)
    return unpacked


def _parse(url: str, body: bytes) -> tuple[list[Listed], list[Listed]]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SitemapError(url, f"it is not valid XML: {' '.join(str(error).split())}", transient=False) from error
    kind = etree.QName(root).localname if isinstance(root.tag, str) else ""
    if kind not in ("urlset", "sitemapindex"):
        raise SitemapError(url, f"it is not a sitemap: its root element is <{kind}>", transient=False)
    listed = [found for entry in root if (found := _listed(url, entry))]
    return ([], listed) if kind == "sitemapindex" else (listed, [])


def _listed(url: str, entry: etree._Element) -> Listed | None:
    values = {
        etree.QName(part).localname: part.text.strip()
        for part in entry
        if isinstance(part.tag, str) and part.text and part.text.strip()
    }
    return Listed(urljoin(url, values["loc"]), _final(values.get("lastmod"))) if "loc" in values else None


def _final(lastmod: str | None) -> str | None:
    """Return the time of a last change if it is over, so that no later change can have the same time; else None."""
    if lastmod is None:
        return None
    try:
        then = datetime.fromisoformat(lastmod)
    except ValueError:
        return None
    ends = then + (timedelta(days=1) if len(lastmod) <= len("2026-01-01") else timedelta(minutes=1))
    # A date without a time zone is over when it is over in every zone.
    over = ends if ends.tzinfo else (ends + timedelta(hours=12)).replace(tzinfo=UTC)
    return lastmod if over < datetime.now(UTC) else None
