"""Compose an answer from the best passages: the most direct first, then those that add something."""

from __future__ import annotations

import math
import re
import textwrap
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rag.answer.extracts.passages import Passage, is_term, plain
from rag.answer.question.asked import Asked
from rag.text.blocks import is_code, is_item
from rag.text.citations import escape_markers
from rag.text.words import stems, words
from rag.trust.authorship import origin
from rag.trust.injection import speaks_to_models

__all__ = ["LONG", "SHORT", "Scored", "certainty", "chosen", "lead_of", "led_by_best_page", "shown"]

#: The most words and passages of an answer that is likely right, and of another one. Only the first passage may be
#: longer.
SHORT, LONG = (120, 6), (350, 11)
# A passage of which more of the words stand in the answer already adds nothing.
_KNOWN = 0.75
# A passage is left out if its score is this much lower than the best one.
_FARTHEST = 3.0
# The bonus of a passage that has all terms of the question that the answer lacks.
_ADDS = 1.0
# The bonus of a passage that says what a side of a comparison is, if the answer does not.
_TELLS = 2.0
# The scores of passages are divided by this before those of a page are added up: its best passage counts less.
_SOFTNESS = 3.0
# A reference to a manual page, and what stands between references.
_REFERENCE = re.compile(r"[\w.+:-]+\(\d\w*\)")
_BETWEEN_REFERENCES = frozenset(["", "see", "also", "and", "or"])
# A list with this many headings of its page, half of its items or more, is the page's list of contents.
_LISTED = 2
# The headings of lists of other pages.
_ELSEWHERE = frozenset(["see also", "further reading", "related topics", "related pages", "related documents"])
# Words of headings that say nothing of what stands below them.
_GENERAL = words(
    """
    notes description options examples example overview introduction syntax see also details parameters usage summary
    configuration name synopsis discussion author common issues tips background commands general more about
    """
)


@dataclass(frozen=True, slots=True)
class Scored:
    """A passage and its score: the logarithm of its odds against the other passages."""

    score: float
    passage: Passage
    #: the terms of the question in the passage and above it
    found: frozenset[str] = frozenset()
    #: the sides of a comparison of which the passage says what they are
    tells: frozenset[frozenset[str]] = frozenset()


def chosen(ranked: Sequence[Scored], asked: Asked, most: tuple[int, int] = SHORT) -> list[Scored]:
    """Return the passages of an answer, the most direct first.

    The best passage is followed by those that score best after a bonus for terms of the question that the answer lacks.

    :param ranked: best first
    :param most: words and passages
    """
    taken: list[Scored] = []
    known: set[str] = set()
    headings = {(one.passage.result.document_id, _last_heading(one.passage)) for one in ranked}
    left = [one for one in ranked if words(one.passage.text) and not _only_refers(one.passage, headings)]
    size = 0
    most_words, most_passages = most
    while left and len(taken) < most_passages:
        one = max(left, key=lambda one: one.score + _bonus(one, taken, asked)) if taken else left[0]
        left.remove(one)
        if taken and one.score + _bonus(one, taken, asked) < taken[0].score - _FARTHEST:
            break
        length = len(one.passage.text.split())
        content = words(one.passage.text)
        too_long = taken and size + length > most_words
        is_elsewhere = taken and taken[0].found and not one.found
        is_known = len(content & known) > _KNOWN * len(content) or _overlaps(one.passage, taken)
        if too_long or is_elsewhere or is_known:
            continue
        taken.append(one)
        known |= content
        size += length
    return taken


def led_by_best_page(taken: Sequence[Scored], ranked: Sequence[Scored]) -> list[Scored]:
    """Return the passages of an answer, first one of the page whose passages have the largest odds together.

    :param ranked: all passages, best first
    """
    odds: dict[str, float] = defaultdict(float)
    for one in ranked:
        odds[one.passage.result.document_id] += math.exp((one.score - ranked[0].score) / _SOFTNESS)
    first = max(taken, key=lambda one: odds[one.passage.result.document_id])
    return [first, *(one for one in taken if one is not first)]


def _only_refers(passage: Passage, headings: Container[tuple[str, str]]) -> bool:
    """Return whether a passage only leads elsewhere: below "See also", by references, or as a page's list of contents.

    :param headings: of other passages, each with the id of its document
    """
    if _last_heading(passage) in _ELSEWHERE:
        return True
    lines = passage.blocks[-1].text.split("\n")
    if len(lines) > 1 and is_item(lines[0]):
        document = passage.result.document_id
        listed = sum((document, _bare(line)) in headings for line in lines)
        return listed >= _LISTED and listed >= len(lines) / 2
    parts = [part.strip("_,.;:") for part in re.sub(r"[*`]", "", passage.text.lower()).split()]
    return all(part in _BETWEEN_REFERENCES or _REFERENCE.fullmatch(part) for part in parts)


def _last_heading(passage: Passage) -> str:
    return _bare(passage.path.rsplit(" › ", 1)[-1])


def _bare(line: str) -> str:
    """Return a heading, or an item of a list, without its marks."""
    return re.sub(r"[*`\\]+|^\W*(?:\d+[.)])?\W*", "", line).strip(" :.").lower()


def certainty(scores: Sequence[float]) -> float:
    """Return the share of the best passage in the odds of all passages, in (0, 1]; 1 if there is no passage.

    :param scores: of all passages, best first
    """
    return 1 / sum(math.exp(max(score - scores[0], -30.0)) for score in scores) if scores else 1.0


def _bonus(one: Scored, taken: Sequence[Scored], asked: Asked) -> float:
    """Return the bonus of a passage for what it adds to an answer."""
    had = set().union(*(other.found for other in taken))
    told = set().union(*(other.tells for other in taken))
    return _ADDS * asked.share(one.found - had) + _TELLS * bool(one.tells - told)


def _overlaps(passage: Passage, taken: Sequence[Scored]) -> bool:
    """Return whether a block of a passage, other than what announces it, is in the answer already."""
    return any(
        passage.blocks[-1].text in other.passage.text or other.passage.blocks[-1].text in passage.text
        for other in taken
    )


def shown(passages: Sequence[Passage]) -> str:
    """Return passages with a marker behind the part of each chunk, each below the heading that it needs.

    Those that follow each other below one heading share it.
    """
    parts: list[str] = []
    above = ""
    told: set[str] = set()
    for passage in passages:
        lead = lead_of(passage)
        if lead and lead != above:
            parts.append(f"**{lead}**")
        above = passage.term or lead or above
        parts.append(_marked(_without_known(passage, told)))
        told |= {block.text for block in passage.blocks}
    return "\n\n".join(parts)


def _without_known(passage: Passage, told: set[str]) -> Passage:
    """Return a passage without the blocks before its last one that are shown already, such as a list's introduction."""
    *lead, last = passage.blocks
    return replace(passage, blocks=(*(block for block in lead if block.text not in told), last))


def lead_of(passage: Passage) -> str:
    """Return the heading, term or author that a passage cannot be read without; empty if the passage says it."""
    result = passage.result
    if result.thread is not None:
        voice = result.voice_at(max(result.text.find(passage.blocks[-1].text), 0))
        return origin(voice) if voice else ""
    lead = plain(passage.label) or (result.heading.rsplit(" › ", 1)[-1] if " › " in result.heading else "")
    if is_term(passage.label):
        # A definition is not understood without its term, even if it says the same words.
        is_named = any(name.strip() in passage.text for name in lead.split(","))
        return "" if is_named or speaks_to_models(lead) else lead
    said = stems(passage.text)
    adds = any(word not in _GENERAL and not stems(word) <= said for word in words(lead))
    return lead if adds and not speaks_to_models(lead) else ""


def _marked(passage: Passage) -> str:
    """Return a passage with a marker behind the part of each chunk."""
    parts = []
    for numbers, run in groupby(passage.blocks, key=lambda block: block.numbers):
        # Outside its list, an indented paragraph would be read as code.
        text = "\n\n".join(textwrap.dedent(block.text) for block in run).rstrip()
        joint = "\n\n" if is_code(text) or text.endswith(("```", "~~~", "|")) else " "
        parts.append(f"{escape_markers(text)}{joint}{''.join(f'[{number}]' for number in numbers)}")
    return "\n\n".join(parts)
