"""A pattern of text, and the words without which it need not be tried."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass, field
from functools import cached_property

__all__ = ["Rule"]


@dataclass(frozen=True)
class Rule:
    """A pattern, which is tried only on texts with certain words: all patterns take 8 ms for a chunk, these tests 0.1.

    :param words: groups of beginnings of words, of four letters at most; the text has a word of each group
    """

    words: InitVar[str]
    pattern: str
    groups: tuple[frozenset[str], ...] = field(init=False)

    def __post_init__(self, words: str) -> None:
        object.__setattr__(self, "groups", tuple(frozenset(group.split()) for group in words.split("|")))

    @cached_property
    def mark(self) -> re.Pattern[str]:
        """The compiled pattern. Most are never tried, and to compile them all takes as long as a short answer."""
        return re.compile(self.pattern)

    def matches(self, text: str, beginnings: set[str]) -> bool:
        """Return whether a text in lower case, with these beginnings of words, has the pattern."""
        return not any(group.isdisjoint(beginnings) for group in self.groups) and bool(self.mark.search(text))
