"""Queries for tuning search, from manuals that are not used to measure it.

The queries come from documentation built by Sphinx and packaged by Debian: the entries of its index, with the pages that
they refer to, and the questions of its FAQ, with the pages that the answers link to. Neither the index nor the FAQ is
part of the corpus.
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

# The number of entries for names, and the number of entries for concepts.
_ENTRIES = 200
# An answer with more links is an overview, not an answer.
_MOST_LINKS = 4
# The numbers of further links, and the parentheses around the kind of an entry.
_NOISE = re.compile(r",?\s*\[\d+\]|[()]")


@dataclass(frozen=True)
class Manual:
    """A folder of HTML built by Sphinx."""

    name: str
    package: str
    folder: Path
    #: the paths that are excluded from the corpus and from the gold pages
    exclude: tuple[str, ...] = ("faq/", "genindex", "py-modindex", "search.html", "contents.html", "_modules/")

    def globs(self) -> list[str]:
        """Return the exclude patterns of a source for this manual."""
        return [f"**/{part}**" if part.endswith("/") else f"**/{part.removesuffix('.html')}*" for part in self.exclude]

    def index(self, url: str) -> list[Query]:
        """Return a fixed random sample of index entries and the pages that they refer to.

        :param url: the URL of the folder, with a trailing slash
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
        chosen = [
            entry
            for entries in found.values()
            for entry in random.Random(3).sample(entries, min(_ENTRIES, len(entries)))
        ]
        return [Query(f"{self.name}-index-{n}", text, _urls(url, pages)) for n, (text, pages) in enumerate(chosen)]

    def faq(self, url: str) -> list[Query]:
        """Return the questions of the FAQ and the pages that their answers link to.

        :param url: the URL of the folder, with a trailing slash
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
            is_excluded = any(path.startswith(part) for part in self.exclude)
            if to.netloc == "manual" and not is_excluded and path.endswith(".html") and (self.folder / path).exists():
                pages.add(path)
        return tuple(sorted(pages))


MANUALS = (
    Manual("python", "python3-doc", Path("/usr/share/doc/python3.11/html")),
    Manual("sqlalchemy", "python-sqlalchemy-doc", Path("/usr/share/doc/python-sqlalchemy-doc/html")),
)


def _soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "lxml") if path.exists() else BeautifulSoup("", "lxml")


def _entries(item: Tag, above: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the texts and links of an entry and of its sub-entries."""
    name = " ".join(_plain(part) for part in item.children if getattr(part, "name", None) != "ul")
    text = " ".join(f"{above} {_NOISE.sub(' ', name)}".split()).rstrip(", ")
    links = [str(a["href"]) for a in item.find_all("a", href=True, recursive=False)]
    if links and text:
        yield text, links
    for sub_entry in item.select(":scope > ul > li"):
        yield from _entries(sub_entry, text)


def _plain(part: object) -> str:
    text = part.get_text() if isinstance(part, Tag) else str(part)
    return " ".join(text.replace("¶", " ").replace("\u2019", "'").split())


def _urls(url: str, pages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{url}{page}" for page in pages)
