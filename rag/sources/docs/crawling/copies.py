"""Which pages are copies: the same text at another address, whatever the page itself calls canonical."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter

from rag.text.lines import one_line

__all__ = ["Original", "digest", "markdown_twins"]

_WORD = re.compile(r"\w+")
_MARKDOWN = re.compile(r"(?:(?<=/)index|(?<=/)README)?\.(?:md|mdx|markdown)$", re.IGNORECASE)
#: The share of a copy's words that stand, whole lines at a time, in its original.
_SAME_TITLE = 0.5
_OTHER_TITLE = 0.9
#: The share of the words of a Markdown file that its page has at least, if their titles differ.
_OF_MARKDOWN = 0.95


class Original:
    """The document of an address, with which pages that claim to be copies of it are compared."""

    def __init__(self, title: str, text: str) -> None:
        self._title = title
        self.digest = digest(title, text)
        # A crawl keeps one for each page.
        self._packed = zlib.compress(text.encode("utf-8", "replace"), 1)

    def is_copied_by(self, title: str, text: str) -> bool:
        """Return whether a page that declares this one as its canonical address has its text.

        A version for the printer, of another release or with other parameters has most lines of its original, and its
        title. A site whose pages all name the landing page has neither.
        """
        lines = set(map(one_line, self._text.split("\n")))
        total = shared = 0
        for line in map(one_line, text.split("\n")):
            words = len(_WORD.findall(line))
            total += words
            shared += words if line in lines else 0
        return shared >= (_SAME_TITLE if title == self._title else _OTHER_TITLE) * total

    def is_page_of(self, title: str, markdown: str) -> bool:
        """Return whether this is the page that is made of a Markdown file at an address beside it."""
        own, words = (Counter(_WORD.findall(text.lower())) for text in (self._text, markdown))
        return title == self._title or (own & words).total() >= _OF_MARKDOWN * words.total()

    @property
    def _text(self) -> str:
        return zlib.decompress(self._packed).decode()


def digest(title: str, text: str) -> bytes:
    """Return a digest of a page; equal pages are one document."""
    return hashlib.sha256(f"{title}\0{text}".encode("utf-8", "replace")).digest()


def markdown_twins(url: str) -> tuple[str, ...]:
    """Return the addresses at which the page of a Markdown file is usually published; none for another file."""
    if "?" in url or not _MARKDOWN.search(url):
        return ()
    stem = _MARKDOWN.sub("", url)
    return (
        (f"{stem}index.html", stem) if stem.endswith("/") else (f"{stem}.html", stem, f"{stem}/", f"{stem}/index.html")
    )
