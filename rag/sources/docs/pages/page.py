"""Read an HTML response as a page: its text as Markdown, its title, its links and its directives for crawlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lxml import etree
from lxml.etree import _Element as Element

from rag.sources.docs.html import NotHtmlError, decode, is_streamed, read_content, read_head
from rag.sources.docs.urls import normalise
from rag.text.lines import one_line

__all__ = ["EXTRACTION", "NotHtmlError", "Page", "decode", "read_page"]

#: The version of the extraction. The cursor keeps it: after a change the next sync reads every page again.
EXTRACTION = 8

# "1. Overview" is a section, whatever its level.
_NUMBERED = re.compile(r"^\d+(?:\.\d+)*\.?\s")
_IDS = etree.XPath("//@id", smart_strings=False)
_ANCHORS = etree.XPath("//a/@name", smart_strings=False)
_LINKS = etree.XPath(
    "//*[self::a or self::area][not(contains(@rel, 'nofollow'))]/@href | //*[self::frame or self::iframe]/@src",
    smart_strings=False,
)
_BASE = etree.XPath("//base[not(ancestor::noscript)]/@href", smart_strings=False)
_VISIBLE = "not(ancestor::script or ancestor::style or ancestor::template or ancestor::noscript)"
# What a reader does not see, and links and menus: their words do not count.
_UNCOUNTED = frozenset({"script", "style", "template", "noscript", "a", "nav", "option", "button"})
#: A page with a script file, without links and headings, and with next to no text, is made by its script.
_SCRIPTS = etree.XPath("boolean(//script[@src or @type='module'])")
_STRUCTURE = etree.XPath(
    f"boolean(//body//*[self::a[@href] or self::h1 or self::h2 or self::h3 or self::pre or self::li][{_VISIBLE}])"
)
_MAX_SHELL_WORDS = 15
#: The prefix of MathML's tags in pages that are written as XML.
_MATH_PREFIX = re.compile(r"(</?)(?:m|mml|math):(?=m[a-z]|semantics|annotation)", re.IGNORECASE)
_SUFFIX_SEPARATOR = re.compile(r"\s+(?:\||—|–|·|::|»|«|-)\s+")
_SITE_SEPARATORS = (" | ", " — ", " – ", " - ", " · ")

# XML has no control characters: lxml reads them from HTML, and refuses to write them.
_CONTROLS = dict.fromkeys({*range(32), 0xFFFE, 0xFFFF} - {9, 10, 12, 13}, "\ufffd") | {12: " "}


@dataclass(frozen=True, slots=True)
class Page:
    """The content of one page and its relations to others."""

    title: str
    #: Markdown
    text: str
    #: addresses under the source's folder
    links: tuple[str, ...]
    #: the absolute canonical URL that the page declares
    canonical: str | None
    #: the absolute target of a redirect by meta refresh
    refresh: str | None
    noindex: bool
    #: every id of the page
    fragments: frozenset[str]
    #: the addresses of the site's index and search pages
    index_pages: tuple[str, ...] = ()
    #: where the page is published as Markdown
    markdown: str | None = None
    #: whether a script makes the page, so that it has no text of its own
    is_shell: bool = False
    #: the number of words that a reader sees, without links and menus
    words: int = 0
    #: whether the element marked as the main text holds so little of the page that all of the page was read
    is_mark_refused: bool = False


def read_page(
    body: bytes, *, url: str, charset: str | None, robots: str, link: Callable[[str, str], str | None]
) -> Page:
    """Read an HTML page.

    :param url: the address that it was fetched from
    :param charset: the encoding that the Content-Type header names
    :param robots: the X-Robots-Tag header, empty if there is none
    :param link: returns the address under the source's folder that (href, base) leads to, or None
    :raises NotHtmlError: the body is not HTML
    """
    markup = decode(body, charset)
    root = _parse(markup)
    bases = _BASE(root)
    head = read_head(markup, url, (normalise(bases[0], url) or url) if bases else None)
    words = sum(map(_count_words, root.iter("body")))
    is_shell = words < _MAX_SHELL_WORDS and _SCRIPTS(root) and not _STRUCTURE(root)
    ids = _IDS(root)
    fragments = {*ids, *_ANCHORS(root)}
    directives = set(re.split(r"[\s,]+", f"{robots.lower()},{head.robots}"))
    noindex = bool(directives & {"noindex", "none"})

    def addresses(hrefs: Iterable[str]) -> tuple[str, ...]:
        """Return the distinct addresses that links lead to, without the page itself."""
        unique = dict.fromkeys(href.partition("#")[0] for href in hrefs)
        found = dict.fromkeys(address for href in unique if href and (address := link(href, head.base)))
        found.pop(url, None)
        return tuple(found)

    follow = not directives & {"nofollow", "none"}
    content = None if noindex or is_shell else read_content(root, fragments, ids, head.base)
    heading, first = (content.heading, content.first_heading) if content else ("", "")
    text = content.markdown if content else ""
    return Page(
        title=_title(head.title, head.site, "" if _is_name_of_site(heading, head.title, text) else heading, first, url),
        text=text,
        links=addresses((*head.neighbours, *_LINKS(root))) if follow else (),
        canonical=head.canonical,
        refresh=head.refresh or (None if text.strip() else head.refresh_without_scripts),
        noindex=noindex,
        fragments=frozenset(fragments),
        index_pages=addresses(head.index_links),
        markdown=head.markdown,
        is_shell=is_shell,
        words=words,
        is_mark_refused=content.is_mark_refused if content else False,
    )


def _count_words(body: Element) -> int:
    """Return the number of words that a reader sees, without links and menus.

    An XPath that asks each text for its ancestors takes as long as the elements are nested: at 1,900 levels, a page of
    110 KB took 4.6 s instead of 0.06.
    """
    walk = etree.iterwalk(body, events=("start", "comment"))
    count = 0
    for kind, element in walk:
        if kind == "start" and element.tag in _UNCOUNTED:
            walk.skip_subtree()
        elif kind == "start" and element.text:
            count += len(element.text.split())
        if element.tail and element is not body:
            count += len(element.tail.split())
    return count


def _parse(text: str) -> Element:
    if not text.strip():
        raise NotHtmlError("the page is empty")
    if ":math" in text:
        text = _MATH_PREFIX.sub(r"\1", text)
    # The text is encoded as UTF-8 below, whatever encoding it declares.
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=not is_streamed(text), remove_pis=True)
    try:
        root = etree.fromstring(text.translate(_CONTROLS).encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotHtmlError(f"the page cannot be read as HTML: {one_line(error)}") from error
    if root is None:
        raise NotHtmlError("the page is empty")
    return root


def _is_name_of_site(heading: str, title: str, text: str) -> bool:
    """Return whether the only h1 names the site: the title ends in it, and begins with another heading of the page."""
    name, *others = _SUFFIX_SEPARATOR.split(title)
    if not heading or not name or heading.casefold() not in {other.casefold() for other in others}:
        return False
    return re.search(rf"^##+ {re.escape(name)}(?: {{#|$)", text, re.MULTILINE) is not None


def _title(title: str, site: str, heading: str, first: str, url: str) -> str:
    """Return the name of the page: the heading that names it, or its title without the site's name."""
    if heading and not (title and _NUMBERED.match(heading) and heading not in title):
        return heading
    if first and first in title:
        return first
    if not title:
        return first or url.rstrip("/").rpartition("/")[2] or url
    if site:
        for separator in _SITE_SEPARATORS:
            title = title.removesuffix(f"{separator}{site}")
    parts = _SUFFIX_SEPARATOR.split(title)
    return parts[0] if len(parts) == 2 and len(parts[0]) > 2 else title
