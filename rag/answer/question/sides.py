"""The sides of a comparison: "fetch vs pull" asks about fetch and about pull, which different pages may describe."""

from __future__ import annotations

import re

__all__ = ["sides_of"]

# What only puts the question, before the sides or behind them.
_ASKING = re.compile(
    r"\b(?:what(?:'s|s| is| are)?|explain|show me)? ?(?:the )?(?:exact |main |key )?diff\w*rences?"
    r"(?: is| are)?(?: there)?(?: between| of)?\b"
    r"|\bhow (?:do|does|is|are)\b(?=.*\b(?:differ|compare|different)\b)"
    r"|\b(?:which(?: one)?|when|what|why) (?:should|do|shall|would|to)\b.*"
    r"|\bwhich (?:is|are|one)\b.*"
    r"|\b(?:is|are) (?=.*\b(?:better|faster|same|different)\b)"
    r"|\b(?:what (?:does|is) each|I always|or what|should I|do I|pros and cons)\b.*"
    r"|\b(?:compare[ds]?|comparison of|different|differs?|better|faster|safer|the same)\b",
    re.I,
)
# What stands between two sides.
_BETWEEN = re.compile(
    r"\s*(?:,|;|\bv\.?s\b\.?|\bversus\b|\bor\b|\band\b|\bfrom\b|\bthan\b|\bwith\b|\bto\b|\bas\b| / )\s*", re.I
)
# What begins the context that both sides share: "gin vs gist for full text search".
_CONTEXT = re.compile(r"\s+(?:for|in|on|when|of|regarding|if|using)\s+", re.I)
_WORD = re.compile(r"\w")
_ARTICLE = re.compile(r"^(?:an?|the|between|both|either)\s+", re.I)
# The most words of a side, and the most sides.
_LONGEST, _MOST = 4, 3


def sides_of(question: str) -> tuple[str, ...]:
    """Return what a comparison compares, each with the context that they share; empty if there are not two or three.

    The noun that ends the last side belongs to the others as well: "shallow and deep copy".
    """
    bare = _ASKING.sub(",", question.strip()).strip(" ,:?!.")
    head, *context = _CONTEXT.split(bare, maxsplit=1)
    sides = [_ARTICLE.sub("", side.strip(" \"'`")) for side in _BETWEEN.split(head)]
    sides = [side for side in sides if _WORD.search(side)]
    if not 2 <= len(sides) <= _MOST or any(len(side.split()) > _LONGEST for side in sides):
        return ()
    *_, noun = sides[-1].split()
    if len(sides[-1].split()) > 1 and not any(noun in side.split() for side in sides[:-1]):
        sides = [side if len(side.split()) > 1 or side in sides[-1] else f"{side} {noun}" for side in sides]
    return tuple(" ".join([side, *context]) for side in sides)
