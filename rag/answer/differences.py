"""Differences between versions: what an answer says that the same page of another version does not say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from rag.answer.answer import Answer
from rag.search.results import SearchResult
from rag.store.documents import DocumentRow
from rag.text.citations import MARKERS
from rag.text.lines import one_line
from rag.text.sentences import sentences
from rag.text.versions import PLACEHOLDER

__all__ = ["addresses", "counterpart", "is_same_page", "unsaid"]

# A sentence with fewer words may stand in many places of a page; with fewer still, it is the name of a parameter.
_FEW_WORDS, _FEWEST_WORDS = 8, 3
# The number of a chapter differs between versions, and so does the target of a link.
_NUMBERS = re.compile(r"^(?:Chapter |Appendix )?[\dA-Z]+(?:\.\d+)*\.\s+")
_REFERENCE = re.compile(r"\b(Section|Chapter|Table|Figure|Example|Appendix|Note)\s+[\dA-Z]+(?:[.-]\d+)*|\]\([^)\s]*\)")
# Two sentences that share less are not about the same.
_LEAST_ALIKE = 0.4


def is_same_page(one: DocumentRow, other: DocumentRow) -> bool:
    """Return whether two pages differ in their version only: by their addresses, or by their titles without numbers."""
    return _place(one) == _place(other) or _NUMBERS.sub("", one.title) == _NUMBERS.sub("", other.title)


def addresses(page: DocumentRow, versions: Iterable[str]) -> list[str]:
    """Return the addresses that a page has in other versions, if these differ from it in the version only."""
    place = _place(page)
    return [place.replace(PLACEHOLDER, version) for version in versions] if PLACEHOLDER in place else []


def unsaid(answer: Answer, page: DocumentRow, other: DocumentRow) -> list[str]:
    """Return the sentences of an answer that stand in a page, but not in another."""
    here, there = _bare(page.text), _bare(other.text)
    # A marker ends a block, and takes the empty line behind it with it.
    blocks = [MARKERS.sub(" ", block) for block in answer.answer.split("\n\n")]
    said = [cited.quote for cited in answer.sources] + [piece for block in blocks for piece in _pieces(block)]
    return [one for one in said if _bare(one) in here and _bare(one) not in there]


def counterpart(sentence: str, results: Sequence[SearchResult]) -> tuple[str, str] | None:
    """Return the URL and the text of the sentence in results that is most like one; None if none is alike."""
    found: tuple[float, str, str] | None = None
    for result in results:
        for text in _pieces(result.text):
            alike = SequenceMatcher(None, sentence, text, autojunk=False).ratio()
            if alike >= _LEAST_ALIKE and (found is None or alike > found[0]):
                found = alike, result.url_at(max(result.text.find(text), 0)), text
    return found[1:] if found else None


def _pieces(text: str) -> list[str]:
    """Return the sentences of a text; a short one, such as "The default is on.", also with the one before it."""
    found: list[str] = []
    before = ""
    for sentence in sentences(text, lines=True):
        words = len(sentence.split())
        if words >= _FEWEST_WORDS:
            found.append(sentence.strip())
            if before and words < _FEW_WORDS:
                found.append((before + sentence).strip())
        before = sentence
    return found


def _place(row: DocumentRow) -> str:
    """Return the address of a page with a placeholder for its version."""
    versions = "|".join(re.escape(version) for version in row.metadata.get("versions", ()))
    return re.sub(rf"(?<![\w.])v?(?:{versions})(?![\w.])", PLACEHOLDER, row.url, count=1)


def _bare(text: str) -> str:
    return one_line(_REFERENCE.sub(lambda match: match[1] or "]", text))
