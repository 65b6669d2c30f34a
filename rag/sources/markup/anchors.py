"""The anchors that hosts give the headings of a page, by the rules of each host."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

__all__ = ["Anchors", "Slug", "bitbucket", "gitea", "github", "gitlab"]

#: Returns the anchor for the text of a heading, empty if it has none.
Slug = Callable[[str], str]

# Symbols with the Unicode property Alphabetic: letters in circles and squares.
_ALPHABETIC_SYMBOLS = "\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
_ALPHABETIC_SYMBOL = re.compile(f"[{_ALPHABETIC_SYMBOLS}]")
_WORD_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc"})


def github(text: str) -> str:
    """Follow the npm package github-slugger: lower case, only letters, marks, digits, "_", "-"; "-" for spaces."""
    return _words(text.lower()).replace(" ", "-")


def gitlab(text: str) -> str:
    """Follow GitLab's Gitlab::Utils::Markdown: as GitHub, but with single "-", and a prefix before mere digits."""
    slug = re.sub(r"-+", "-", _words(text.strip().lower()).replace(" ", "-"))
    return f"anchor-{slug}" if slug.isdecimal() else slug


def gitea(text: str) -> str:
    """Follow CleanValue of Gitea and Forgejo: letters, numbers, "_" and "-"; any white space becomes "-"."""
    kept = ("-" if char.isspace() else char.lower() for char in text.strip() if _is_kept_by_gitea(char))
    return "".join(kept) or "heading"


def bitbucket(text: str) -> str:
    """Follow Bitbucket Cloud: the anchor of Python-Markdown with a prefix."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^\w\s-]", "", ascii_only).strip().lower()
    return "markdown-header-" + re.sub(r"[-\s]+", "-", words) if words else ""


class Anchors:
    """Gives the headings of one page their anchors, in order.

    :param slug: the host's rule
    """

    def __init__(self, slug: Slug = github) -> None:
        self._slug = slug
        self._seen: dict[str, int] = {}
        self._joint = "_" if slug is bitbucket else "-"

    def add(self, text: str) -> str:
        """Return the anchor of the next heading, empty if it has none; repeats are numbered: use, use-1, use-2."""
        base = anchor = self._slug(text)
        while anchor in self._seen:
            self._seen[base] += 1
            anchor = f"{base}{self._joint}{self._seen[base]}"
        self._seen[anchor] = 0
        return anchor if base else ""


def _words(text: str) -> str:
    if text.isascii():
        return re.sub(r"[^\w\- ]", "", text)
    return "".join(char for char in text if _is_kept(char))


def _is_kept(char: str) -> bool:
    return char in " -" or unicodedata.category(char) in _WORD_CATEGORIES or bool(_ALPHABETIC_SYMBOL.match(char))


def _is_kept_by_gitea(char: str) -> bool:
    return char in "_-" or char.isspace() or unicodedata.category(char)[0] in "LN"
