"""Read a response as a page: its text as Markdown, its title, its links, and what it asks of crawlers."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EncodingDetector
from bs4.filter import SoupStrainer
from lxml import etree
from lxml.etree import _Element as Element

from rag.sources.docs.furniture import drop_menus, find_main, text_of
from rag.sources.docs.markdown import Renderer
from rag.sources.docs.urls import normalise

__all__ = ["EXTRACTION", "NotHtmlError", "Page", "decode", "read_page"]

#: Kept in the cursor: another value makes the next sync read every page again.
EXTRACTION = 3

_FEW = 200
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Bytes of these pass for UTF-8 though they are not.
_NOT_BY_CHANCE = re.compile(r"^(?:iso-2022|hz|utf-?7|utf-?16|utf-?32)", re.IGNORECASE)
_CONTROL = bytes(set(range(0x20)) - set(b"\t\n\r\f\x1b\x0b"))
_REFRESH = re.compile(r"^\s*(\d+)[^;,]*[;,]\s*(?:url\s*=\s*)?[\"']?([^\"']+)", re.IGNORECASE)
# "1. Overview" is a section, whatever level it is at.
_NUMBERED = re.compile(r"^\d+(?:\.\d+)*\.?\s")
# A page that sends its reader on after so many seconds is a redirect.
_SOON = 10
# A head is small and often broken, so BeautifulSoup reads it; it would take five times as long as lxml for the body.
_HEAD_TAGS = SoupStrainer(["base", "link", "meta", "title"])
_HEAD_START = re.compile(r"<head\b", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\s*>|<body\b", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")
_IDS = etree.XPath("//@id", smart_strings=False)
_ANCHORS = etree.XPath("//a/@name", smart_strings=False)
_LINKS = etree.XPath(
    "//*[self::a or self::area][not(contains(@rel, 'nofollow'))]/@href | //*[self::frame or self::iframe]/@src",
    smart_strings=False,
)
_SUFFIX_SEPARATOR = re.compile(r"\s+(?:\||—|–|·|::|»|«|-)\s+")


class NotHtmlError(Exception):
    """A body is not what its Content-Type says."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one HTML page holds.

    `links` are addresses under the source's folder; `canonical` and `refresh` are absolute where the page has them;
    `apart` are addresses that it calls its site's index or search page; `markdown` is where it says that the same is
    to be had as Markdown.
    """

    title: str
    text: str
    links: tuple[str, ...]
    canonical: str | None
    refresh: str | None
    noindex: bool
    fragments: frozenset[str]
    apart: tuple[str, ...] = ()
    markdown: str | None = None


def decode(body: bytes, charset: str | None) -> str:
    """Return a body as text, whatever it claims to be encoded in.

    What is valid UTF-8 is UTF-8; else the byte order mark, the header, and the document's own declaration are
    believed, in this order, and Windows-1252 is what is left.

    :raises NotHtmlError: the body is binary
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    declared = charset or EncodingDetector.find_declared_encoding(body[:4096], is_html=True)
    if declared and _NOT_BY_CHANCE.match(declared) and _known(declared):
        return body.decode(declared, "replace")
    head = body[:4096]
    if len(head) - len(head.translate(None, _CONTROL)) > max(2, len(head) // 50):
        raise NotHtmlError("the body is binary, whatever its Content-Type says")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    broken = body.decode("utf-8", "replace")
    lost = broken.count("\ufffd")
    if not declared or not _known(declared) or declared.lower().replace("-", "") == "utf8":
        # A page that is nearly all UTF-8 with a few broken bytes is still that.
        return (
            broken
            if lost * 100 < len(broken) and not broken.isascii() and lost < 20
            else body.decode("cp1252", "replace")
        )
    return body.decode(declared, "replace")


def _known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


def read_page(
    body: bytes, *, url: str, charset: str | None, robots: str, link: Callable[[str, str], str | None]
) -> Page:
    """Read an HTML page.

    :param url: where it was found
    :param charset: what the Content-Type header says
    :param robots: the X-Robots-Tag header, empty if there is none
    :param link: returns the address under the source's folder that (href, base) leads to, or None
    :raises NotHtmlError: the body is no HTML
    """
    markup = decode(body, charset)
    root = _parse(markup)
    head = _head(markup, url)
    fragments = {*_IDS(root), *_ANCHORS(root)}
    directives = set(re.split(r"[\s,]+", f"{robots.lower()},{head.robots}"))
    noindex = bool(directives & {"noindex", "none"})

    def places(hrefs: Iterable[str]) -> tuple[str, ...]:
        """Return where links lead to, each once, those to the page itself left out."""
        unique = dict.fromkeys(href.partition("#")[0] for href in hrefs)
        found = dict.fromkeys(place for href in unique if href and (place := link(href, head.base)))
        found.pop(url, None)
        return tuple(found)

    follow = not directives & {"nofollow", "none"}
    text = heading = first = ""
    if not noindex:
        text, heading, first = _content(root, fragments, head.base)
    return Page(
        title=_title(head.title, head.site, heading, first, url),
        text=text,
        links=places((*head.neighbours, *_LINKS(root))) if follow else (),
        canonical=head.canonical,
        refresh=head.refresh,
        noindex=noindex,
        fragments=frozenset(fragments),
        apart=places(head.apart),
        markdown=head.markdown,
    )


@dataclass(slots=True)
class _Head:
    """What a page says of itself."""

    base: str
    title: str = ""
    site: str = ""
    robots: str = ""
    canonical: str | None = None
    refresh: str | None = None
    #: links to the pages before and after it
    neighbours: list[str] = field(default_factory=list)
    #: links to the site's index and search page
    apart: list[str] = field(default_factory=list)
    #: the page as Markdown
    markdown: str | None = None


def _head(markup: str, url: str) -> _Head:
    """Read what stands between <head> and <body>; a page without these tags is read whole."""
    start = _HEAD_START.search(markup)
    end = _HEAD_END.search(markup, start.end() if start else 0)
    # Without the text before <head>: an XML declaration there would make BeautifulSoup warn.
    part = markup[start.start() if start else 0 : end.start() if end else len(markup)]
    head = _Head(url)
    if "<" not in part:
        return head
    for tag in BeautifulSoup(_XML_DECLARATION.sub("", part), "lxml", parse_only=_HEAD_TAGS).find_all(True):
        if tag.name == "base":
            head.base = normalise(_attribute(tag, "href"), url) or url
        elif tag.name == "title":
            head.title = head.title or " ".join(tag.get_text().split())
        elif tag.name == "meta":
            _read_meta(head, tag)
        else:
            _read_relation(head, tag)
    return head


def _attribute(tag: Tag, name: str) -> str:
    value = tag.get(name) or ""
    return value if isinstance(value, str) else " ".join(value)


def _read_meta(head: _Head, tag: Tag) -> None:
    name = (_attribute(tag, "name") or _attribute(tag, "property") or _attribute(tag, "http-equiv")).lower()
    content = _attribute(tag, "content")
    if name in ("robots", "support-engine"):
        head.robots += f",{content.lower()}"
    elif name == "refresh" and (match := _REFRESH.match(content)) and int(match[1][:4]) <= _SOON:
        head.refresh = normalise(match[2], head.base)
    elif name in ("og:site_name", "application-name"):
        head.site = head.site or content.strip()


def _read_relation(head: _Head, tag: Tag) -> None:
    relations = _attribute(tag, "rel").lower().split()
    href = _attribute(tag, "href")
    if "canonical" in relations:
        head.canonical = normalise(href, head.base)
    elif "alternate" in relations and _attribute(tag, "type").lower().startswith("text/markdown"):
        head.markdown = normalise(href, head.base)
    elif "next" in relations or "prev" in relations:
        head.neighbours.append(href)
    elif "index" in relations or ("search" in relations and "opensearch" not in _attribute(tag, "type")):
        head.apart.append(href)


def _parse(text: str) -> Element:
    if not text.strip():
        raise NotHtmlError("the page is empty")
    # The text's own declaration of an encoding is void by now.
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(text.replace("\x00", "\ufffd").encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotHtmlError(f"the page cannot be read as HTML: {' '.join(str(error).split())}") from error
    if root is None:
        raise NotHtmlError("the page is empty")
    return root


def _content(root: Element, fragments: set[str], base: str) -> tuple[str, str, str]:
    """Return the page's content as Markdown, the heading that names it if one does, and its first heading."""
    body = root.find("body")
    if body is None:
        body = root
    main = find_main(body)
    if main is body:
        drop_menus(body)
    host = urlsplit(base).hostname

    def external(href: str) -> str | None:
        if not href.startswith(("http://", "https://")):
            return None
        try:
            return None if urlsplit(href).hostname == host else href.replace(" ", "%20").replace(")", "%29")
        except ValueError:
            return None

    renderer = Renderer(fragments, external=external)
    text = renderer.render(main)
    if renderer.left_out_contents and _prose(text) < _FEW:
        renderer = Renderer(fragments, external=external, with_contents=True)
        text = renderer.render(main)
    if not text and main is not body:
        renderer = Renderer(fragments, external=external)
        text = renderer.render(body)
    # Several of them are sections, and none is the page's name.
    heading = renderer.h1 if renderer.h1s == 1 else ""
    if not renderer.h1s and main is not body:
        heading = _heading_above(main)
        if heading and text:
            text = f"# {heading}\n\n{text}"
    return text, heading, renderer.first_heading


def _heading_above(main: Element) -> str:
    """Return the h1 that stands beside the content in its article, where a theme puts it."""
    for above in main.iterancestors("article", "main"):
        for heading in above.iter("h1"):
            return " ".join(text_of(heading).split())
    return ""


def _prose(text: str) -> int:
    return sum(len(line) for line in text.split("\n") if not line.startswith("#"))


def _title(title: str, site: str, heading: str, first: str, url: str) -> str:
    """Return the page's name: the heading that names it, or its title without the site's name."""
    if heading and not (title and _NUMBERED.match(heading) and heading not in title):
        return heading
    if first and first in title:
        return first
    if not title:
        return first or url.rstrip("/").rpartition("/")[2] or url
    if site:
        for separator in (" | ", " — ", " – ", " - ", " · "):
            title = title.removesuffix(f"{separator}{site}")
    parts = _SUFFIX_SEPARATOR.split(title)
    return parts[0] if len(parts) == 2 and len(parts[0]) > 2 else title
