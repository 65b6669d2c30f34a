"""What a maintainer should know of a crawl although nothing failed: pages left out, and words that were not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from rag.sources import Noticed
from rag.sources.docs.pages.page import Page

__all__ = ["LeftOut", "Tally"]

#: A page with fewer words is too short to judge.
_MIN_WORDS = 200
#: Pages that keep less than this share of their words are named; a site that does, too.
_MIN_KEPT = 0.25
_MIN_KEPT_OF_SITE = 0.5
#: Lists of contents keep few of their words; that matters if they are more than this share of the site.
_MIN_LOSSY = 0.02
_MOST_NAMED = 3


class LeftOut(StrEnum):
    """Why a page has no document; completes "N pages"."""

    SCRIPT = "need JavaScript to show their text"
    NOINDEX = "are marked noindex"
    EMPTY = "have no text"
    MISSING = "say that they do not exist"
    UNWANTED = "are the site's index or search, or are excluded"
    OTHER_TYPE = "are not HTML or Markdown"


class Tally:
    """Counts of one crawl."""

    def __init__(self) -> None:
        self.left_out: Counter[LeftOut] = Counter()
        self._despite: Counter[str] = Counter()
        self._documents = 0
        self._fetched = 0
        self._kept = 0
        self._read_whole = 0
        #: the pages that lost most of their words: the words kept and fetched, and the address
        self._lossy: list[tuple[int, int, str]] = []

    def leave_out(self, reason: LeftOut) -> None:
        """Count a page without a document."""
        self.left_out[reason] += 1

    def keep_despite(self, canonical: str) -> None:
        """Count a page that is kept although it names another one, with another text, as its canonical address."""
        self._despite[canonical] += 1

    def count_words(self, url: str, page: Page) -> None:
        """Count the words that a reader sees on a page, and those that its document keeps."""
        kept = len(page.text.split())
        self._documents += 1
        self._fetched += page.words
        self._kept += min(kept, page.words)
        self._read_whole += page.is_mark_refused
        if page.words >= _MIN_WORDS and kept < _MIN_KEPT * page.words:
            self._lossy.append((kept, page.words, url))

    def notices(self) -> Iterator[Noticed]:
        """Tell what was counted."""
        for canonical, count in self._despite.most_common(_MOST_NAMED):
            pages = "page names" if count == 1 else "pages name"
            yield Noticed(f"{count} {pages} {canonical} as canonical, but with another text; kept as documents.")
        if self._read_whole:
            pages = "page was" if self._read_whole == 1 else "pages were"
            yield Noticed(
                f"{self._read_whole} {pages} read whole: the element marked as the main text holds little of it."
            )
        if len(self._lossy) > _MIN_LOSSY * self._documents:
            self._lossy.sort(key=lambda page: page[0] - page[1])
            named = ", ".join(f"{url} ({kept} of {words})" for kept, words, url in self._lossy[:_MOST_NAMED])
            pages = "page keeps" if len(self._lossy) == 1 else "pages keep"
            yield Noticed(f"{len(self._lossy)} {pages} less than a quarter of the words that a reader sees: {named}.")
        elif self._fetched >= _MIN_WORDS and self._kept < _MIN_KEPT_OF_SITE * self._fetched:
            yield Noticed(f"the documents keep {self._kept:,} of the {self._fetched:,} words that a reader sees.")

    def why_empty(self) -> str:
        """Return why the crawl has found no document, as a list of reasons; empty if nothing was counted."""
        return ", ".join(f"{count} {reason}" for reason, count in self.left_out.most_common())
