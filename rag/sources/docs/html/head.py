"""Read the `<head>` of an HTML page: its title, canonical address, directives for crawlers and related pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bs4 import BeautifulSoup, Tag
from bs4.filter import SoupStrainer

from rag.sources.docs.urls import normalise
from rag.text.lines import one_line

__all__ = ["Head", "read_head"]

_REFRESH = re.compile(r"^\s*(\d+)[^;,]*[;,]\s*(?:url\s*=\s*)?[\"']?([^\"']+)", re.IGNORECASE)
#: A refresh within this number of seconds is a redirect.
_REDIRECT_SECONDS = 10
# A head is small and often broken, so BeautifulSoup reads it; for the body it would take five times as long as lxml.
_TAGS = SoupStrainer(["base", "link", "meta", "noscript", "title"])
_START = re.compile(r"<head\b", re.IGNORECASE)
_END = re.compile(r"</head\s*>|<body\b", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")


@dataclass(slots=True)
class Head:
    """The metadata of a page. `canonical`, `refresh` and `markdown` are absolute URLs."""

    #: the URL that relative links are resolved against
    base: str
    title: str = ""
    site: str = ""
    #: the directives of the robots and support-engine meta tags, lower case, comma-separated
    robots: str = ""
    canonical: str | None = None
    #: the target of a redirect by meta refresh
    refresh: str | None = None
    #: the target of a redirect for readers without JavaScript
    refresh_without_scripts: str | None = None
    #: links to the previous and the next page
    neighbours: list[str] = field(default_factory=list)
    #: links to the site's index and search pages
    index_links: list[str] = field(default_factory=list)
    #: where the page is published as Markdown
    markdown: str | None = None


def read_head(markup: str, url: str, base: str | None = None) -> Head:
    """Read the text between <head> and <body>; without these tags, the whole page.

    :param base: the URL that relative links are resolved against, if the page's first <base> names one
    """
    start = _START.search(markup)
    end = _END.search(markup, start.end() if start else 0)
    # Text before <head> is left out: an XML declaration there would make BeautifulSoup warn.
    part = markup[start.start() if start else 0 : end.start() if end else len(markup)]
    head = Head(base or url)
    if "<" not in part:
        return head
    for tag in BeautifulSoup(_XML_DECLARATION.sub("", part), "lxml", parse_only=_TAGS).find_all(True):
        if tag.name == "noscript" or tag.find_parent("noscript"):
            _read_noscript(head, tag)
        elif tag.name == "base" and base is None and tag.has_attr("href"):
            # Only the first one counts, even if its address is invalid.
            base = head.base = normalise(_attribute(tag, "href"), url) or url
        elif tag.name == "title":
            head.title = head.title or one_line(tag.get_text())
        elif tag.name == "meta":
            _read_meta(head, tag)
        elif tag.name == "link":
            _read_relation(head, tag)
    return head


def _read_noscript(head: Head, tag: Tag) -> None:
    """Read the redirect of readers without JavaScript, which is for pages that have no text without it."""
    if tag.name == "meta" and _attribute(tag, "http-equiv").lower() == "refresh":
        head.refresh_without_scripts = head.refresh_without_scripts or _refresh(_attribute(tag, "content"), head.base)


def _attribute(tag: Tag, name: str) -> str:
    value = tag.get(name) or ""
    return value if isinstance(value, str) else " ".join(value)


def _read_meta(head: Head, tag: Tag) -> None:
    name = (_attribute(tag, "name") or _attribute(tag, "property") or _attribute(tag, "http-equiv")).lower()
    content = _attribute(tag, "content")
    if name in ("robots", "support-engine"):
        head.robots += f",{content.lower()}"
    elif name == "refresh":
        head.refresh = head.refresh or _refresh(content, head.base)
    elif name in ("og:site_name", "application-name"):
        head.site = head.site or content.strip()


def _refresh(content: str, base: str) -> str | None:
    match = _REFRESH.match(content)
    return normalise(match[2], base) if match and int(match[1][:4]) <= _REDIRECT_SECONDS else None


def _read_relation(head: Head, tag: Tag) -> None:
    relations = _attribute(tag, "rel").lower().split()
    href = _attribute(tag, "href")
    if "canonical" in relations:
        head.canonical = normalise(href, head.base)
    elif "alternate" in relations and _attribute(tag, "type").lower().startswith("text/markdown"):
        head.markdown = normalise(href, head.base)
    elif "next" in relations or "prev" in relations:
        head.neighbours.append(href)
    elif "index" in relations or ("search" in relations and "opensearch" not in _attribute(tag, "type")):
        head.index_links.append(href)
