"""The pages that a site lists: sitemap files, sitemap indexes, feeds, plain lists, llms.txt."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from lxml import etree

from rag.sources.docs.fetching.fetch import Fetcher, FetchError
from rag.sources.docs.urls import resolved

__all__ = ["Listed", "SitemapError", "WrongEntries", "list_pages"]

# The limit of sitemaps.org is 50 MB and 50,000 addresses a file.
_MAX_BYTES = 52_428_800
_MAX_FILES = 500
_MAX_PAGES = 200_000
_MAX_REDIRECTS = 5
_MARKDOWN_LINK = re.compile(
    r"\]\(<?([^)\s>]+)|^[ \t]*(?:(?:[-*+]|\d+\.)[ \t]+)?<?(https?://[^\s<>]+?)>?:?(?=\s|$)", re.MULTILINE
)
_DECLARATION = re.compile(r"^<\?xml[^>]*\?>")
# XML knows five names of characters, and does without most control characters.
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});)")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


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


@dataclass(frozen=True, slots=True)
class WrongEntries:
    """Entries of a file that name no address, and were skipped."""

    url: str
    count: int


@dataclass(slots=True)
class _File:
    """The content of one file."""

    pages: list[Listed]
    sitemaps: list[Listed]
    #: the number of entries that name no address
    wrong: int = 0
    #: why the file could be read in part only
    error: SitemapError | None = None


def list_pages(url: str, fetcher: Fetcher) -> Iterator[Listed | WrongEntries | SitemapError]:
    """Yield the pages of a sitemap; of a sitemap index, the pages of the files on the same host that it lists.

    A file of an index that cannot be read is yielded as an error, and the others are read. An entry that names no
    address is skipped and counted.

    :raises SitemapError: the first file cannot be read
    """
    waiting = [url]
    seen = {url}
    pages = 0
    while waiting:
        file = waiting.pop(0)
        try:
            read = _read(file, fetcher)
        except SitemapError as error:
            if file == url:
                raise
            yield error
            continue
        if read.error:
            yield read.error
        if read.wrong:
            yield WrongEntries(file, read.wrong)
        for address in (listed.url for listed in read.sitemaps):
            if address not in seen and urlsplit(address).netloc == urlsplit(url).netloc:
                if len(seen) >= _MAX_FILES:
                    yield SitemapError(url, f"it lists more than {_MAX_FILES} files", transient=True)
                    waiting.clear()
                    break
                seen.add(address)
                waiting.append(address)
        for listed in read.pages:
            pages += 1
            if pages > _MAX_PAGES:
                yield SitemapError(url, f"it lists more than {_MAX_PAGES} pages", transient=True)
                return
            yield listed


def _read(url: str, fetcher: Fetcher) -> _File:
    try:
        body, content_type = _fetch(url, fetcher)
    except FetchError as error:
        raise SitemapError(url, str(error), transient=error.transient) from error
    if body[:2] == b"\x1f\x8b":
        body = _unpacked(url, body)
    if urlsplit(url).path.endswith((".txt", ".md")) or content_type in ("text/plain", "text/markdown"):
        text = body.decode("utf-8-sig", "replace")
        if not text.lstrip().startswith("<"):
            links = [match[1] or match[2] for match in _MARKDOWN_LINK.finditer(text)]
            pages = [Listed(page) for link in links if (page := resolved(link, url))]
            return _File(pages, [], wrong=len(links) - len(pages))
    return _parse(url, body)


def _fetch(url: str, fetcher: Fetcher) -> tuple[bytes, str]:
    for _ in range(_MAX_REDIRECTS + 1):
        response = fetcher.get(url, max_bytes=_MAX_BYTES)
        location = response.headers.get("location")
        if 300 <= response.status < 400 and location:
            target = resolved(location, url)
            if target is None:
                raise FetchError("it redirects to an invalid address", transient=False)
            url = target
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


def _parse(url: str, body: bytes) -> _File:
    error: SitemapError | None = None
    root = _root(body)
    if root is None:
        mended = _mended(body)
        root = _root(mended)
        if root is None:
            error = SitemapError(url, f"it is not valid XML: {_why_invalid(mended)}", transient=False)
            root = _root(mended, recover=True)
    if root is not None and _name(root)[1] == "html":  # saved from a browser
        root = next((box for box in root.iter() if _name(box)[1] in ("urlset", "sitemapindex")), root)
    kind = _name(root)[1] if root is not None else ""
    if kind in ("rss", "feed", "rdf"):
        assert root is not None
        return _feed(url, root)
    if kind not in ("urlset", "sitemapindex"):
        raise error or SitemapError(url, f"it is not a sitemap: its root element is <{kind}>", transient=False)
    assert root is not None
    # Some sites write a list of pages inside another.
    boxes = [root, *(box for box in root if _name(box)[1] == kind)]
    entries = [entry for box in boxes for entry in box if _name(entry)[1] not in ("", kind)]
    listed = [found for entry in entries if (found := _listed(url, entry))]
    if error and not listed:
        raise error
    wrong = 0 if error else len(entries) - len(listed)
    return _File([], listed, wrong, error) if kind == "sitemapindex" else _File(listed, [], wrong, error)


def _feed(url: str, root: etree._Element) -> _File:
    """Return the pages of a feed, which sites may have instead of a sitemap: RSS has them as text, Atom as `href`."""
    entries = [entry for entry in root.iter() if _name(entry)[1] in ("item", "entry")]
    links = [(part.text or "").strip() or part.get("href", "") for entry in entries for part in entry if _is_page(part)]
    pages = [Listed(page) for link in links if (page := resolved(link, url))]
    return _File(pages, [], wrong=max(0, len(entries) - len(pages)))


def _is_page(part: etree._Element) -> bool:
    return _name(part)[1] == "link" and part.get("rel", "alternate") == "alternate"


def _root(body: bytes, *, recover: bool = False) -> etree._Element | None:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover, remove_comments=True
    )
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _why_invalid(body: bytes) -> str:
    try:
        etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except (etree.XMLSyntaxError, ValueError) as error:
        return " ".join(str(error).split())
    return "it is empty"


def _mended(body: bytes) -> bytes:
    """Return XML without the faults that sitemaps of many sites have, and that leave no doubt of what is meant.

    White space before the declaration, an ampersand or a name of a character that XML does not know, control
    characters, and bytes that are not in the declared encoding.
    """
    text = body.decode("utf-8-sig", "replace").lstrip()
    text = _BARE_AMPERSAND.sub("&amp;", _CONTROL.sub("", _DECLARATION.sub("", text)))
    return text.encode("utf-8", "replace")


def _listed(url: str, entry: etree._Element) -> Listed | None:
    # Extensions have a <loc> too, such as that of an image, in a namespace of their own.
    space, _ = _name(entry)
    values: dict[str, str] = {}
    for part in entry:
        if part.text and part.text.strip():
            found, name = _name(part)
            if found == space:
                values.setdefault(name, part.text.strip())
    page = resolved(values.get("loc", ""), url) if "loc" in values else None
    return Listed(page, _final(values.get("lastmod"))) if page else None


def _name(element: etree._Element) -> tuple[str, str]:
    """Return the namespace and the name of an element in lower case, both empty for a comment or an instruction.

    lxml's QName refuses names that its own parser accepts where it recovers.
    """
    space, _, name = element.tag.rpartition("}") if isinstance(element.tag, str) else ("", "", "")
    return space.removeprefix("{"), name.lower()


def _final(lastmod: str | None) -> str | None:
    """Return the time of a last change if it is over, so that no later change can have the same time; else None."""
    if lastmod is None:
        return None
    try:
        then = datetime.fromisoformat(lastmod)
        ends = then + (timedelta(days=1) if len(lastmod) <= len("2026-01-01") else timedelta(minutes=1))
        # A date without a time zone is over when it is over in every zone.
        over = ends if ends.tzinfo else (ends + timedelta(hours=12)).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return lastmod if over < datetime.now(UTC) else None
