"""Queries to tune search on: of other manuals than those it is measured on, and made by nobody here.

Two kinds, from documentation that Sphinx built and Debian packages: the entries of its index, with the pages that they send the
reader to; and the questions of its FAQ, with the pages that their answers link to. Neither the index nor the FAQ is in the corpus.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from rag.evaluate import Query

__all__ = ["MANUALS", "Manual"]

# Entries that stand for a name, and entries that stand for an idea: so many of each.
_ENTRIES = 200
# An answer that links to more pages than these is a tour, and no answer.
_MOST_LINKS = 4
# The number of a further link, and parentheses around what an entry is.
_NO_WORDS = re.compile(r",?\s*\[\d+\]|[()]")


@dataclass(frozen=True)
class Manual:
    """A folder of HTML that Sphinx built."""

    name: str
    package: str
    folder: Path
    #: what is no part of the corpus, and no answer
    exclude: tuple[str, ...] = ("faq/", "genindex", "py-modindex", "search.html", "contents.html", "_modules/")

    def globs(self) -> list[str]:
        """Return what a source of this manual leaves out."""
        return [f"**/{part}**" if part.endswith("/") else f"**/{part.removesuffix('.html')}*" for part in self.exclude]

    def index(self, url: str) -> list[Query]:
        """Return entries of the index and the pages they lead to, a random choice that is always the same.

        :param url: of the folder, with a slash
        """
        found: dict[bool, list[tuple[str, tuple[str, ...]]]] = {True: [], False: []}
        page = self.folder / "genindex-all.html"
        soup = _soup(page if page.exists() else self.folder / "genindex.html")
        for item in soup.select(
            "table.genindextable > tr > td > ul > li, table.genindextable > tbody > tr > td > ul > li"
        ):
            for text, links in _entries(item, ""):
                pages = self._pages(links, "")
                if pages:
                    found[any("#index-" in link for link in links)].append((text, pages))
        chosen = [one for some in found.values() for one in random.Random(3).sample(some, min(_ENTRIES, len(some)))]
        return [Query(f"{self.name}-index-{n}", text, _urls(url, pages)) for n, (text, pages) in enumerate(chosen)]

    def faq(self, url: str) -> list[Query]:
        """Return the questions of the FAQ and the pages that their answers link to.

        :param url: of the folder, with a slash
        """
        queries: list[Query] = []
        for path in sorted((self.folder / "faq").glob("*.html")):
            for section in _soup(path).select("section, div.section"):
                heading = section.find(["h2", "h3"], recursive=False)
                for inner in section.select("section, div.section"):
                    inner.extract()
                links = [str(a["href"]) for a in section.select("a[href]:not(.headerlink)")]
                pages = self._pages(links, f"faq/{path.name}")
                if heading and 0 < len(pages) <= _MOST_LINKS:
                    queries.append(Query(f"{self.name}-faq-{len(queries)}", _plain(heading), _urls(url, pages)))
        return queries

    def _pages(self, links: list[str], page: str) -> tuple[str, ...]:
        pages = set()
        for link in links:
            to = urlsplit(urljoin(f"http://manual/{page}", link))
            path = to.path.lstrip("/")
            left_out = any(path.startswith(part) for part in self.exclude)
            if to.netloc == "manual" and not left_out and path.endswith(".html") and (self.folder / path).exists():
                pages.add(path)
        return tuple(sorted(pages))


MANUALS = (
    Manual("python", "python3-doc", Path("/usr/share/doc/python3.11/html")),
    Manual("sqlalchemy", "python-sqlalchemy-doc", Path("/usr/share/doc/python-sqlalchemy-doc/html")),
)


def _soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "lxml") if path.exists() else BeautifulSoup("", "lxml")


def _entries(item: Tag, above: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the texts of an entry and of those below it, with their links."""
    name = " ".join(_plain(part) for part in item.children if getattr(part, "name", None) != "ul")
    text = " ".join(f"{above} {_NO_WORDS.sub(' ', name)}".split()).rstrip(", ")
    links = [str(a["href"]) for a in item.find_all("a", href=True, recursive=False)]
    if links and text:
        yield text, links
    for below in item.select(":scope > ul > li"):
        yield from _entries(below, text)


def _plain(part: object) -> str:
    text = part.get_text() if isinstance(part, Tag) else str(part)
    return " ".join(text.replace("¶", " ").replace("\u2019", "'").split())


def _urls(url: str, pages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{url}{page}" for page in pages)
