"""Labels: the few words that most tell a group of texts from the others, as c-TF-IDF ranks them.

A term is a word, or two neighbouring words. It counts more the larger the share of the group's texts that have it, and
the fewer texts have it altogether.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rag.text.words import FUNCTION_WORDS, folded, words_in_order

__all__ = ["Labeller"]

_TERMS = 3
# Two words say more than one of them.
_PAIR = 1.25
# A further term must count at least this share of the best one.
_LEAST = 0.35
# Words that only put a question.
_ASKING = """
please help need want use using used get way possible best work works doing done make re am any there understand able
question example between just like about also trying tried error problem
"""
# Words that say where a text stands in a manual, or how it begins.
_PLACES = """
part parts chapter chapters section sections appendix synopsis description introduction overview see describe describes
contain contains provide provides
"""
_EMPTY = FUNCTION_WORDS | set(_ASKING.split()) | set(_PLACES.split())
_VERSION = re.compile(r"\b(\d+(?:\.\d+)+)\b")


class Labeller:
    """Labels groups of texts.

    :param texts: all texts, each of which may be in a group
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        self._having = Counter(term for text in texts for term in dict(_terms(text)))

    def label(self, texts: Sequence[str]) -> str:
        """Return the label of a group, such as "pg_dump · single database"; its texts are among all texts."""
        having: Counter[str] = Counter()
        written: dict[str, Counter[str]] = {}
        for text in texts:
            for term, surface in dict(_terms(text)).items():
                having[term] += 1
                written.setdefault(term, Counter())[surface] += 1
        ranked = sorted(having, key=lambda term: (-self._weight(term, having[term], len(texts)), term))
        chosen: list[str] = []
        for term in ranked:
            far_below = chosen and self._weight(term, having[term], len(texts)) < _LEAST * self._weight(
                chosen[0], having[chosen[0]], len(texts)
            )
            if len(chosen) == _TERMS or far_below:
                break
            if not any(set(term.split()) & set(other.split()) for other in chosen):
                chosen.append(term)
        return " · ".join(written[term].most_common(1)[0][0] for term in chosen) or "other questions"

    def _weight(self, term: str, having: int, size: int) -> float:
        share = having / size
        return share * math.log(1 + self._count / max(self._having[term], having)) * (_PAIR if " " in term else 1)


def _terms(text: str) -> Iterator[tuple[str, str]]:
    """Yield the terms of a text, each as it is compared and as it is written.

    A number says nothing by itself, but completes the word before it: "Release 9.6".
    """
    meaningful = [(_key(word), word) if _is_meaningful(folded(word)) else None for word in _words(text)]
    yield from (term for term in meaningful if term and not _is_number(term[1]))
    for first, second in pairwise(meaningful):
        if first and second and first[0] != second[0] and not _is_number(first[1]):
            yield f"{first[0]} {second[0]}", f"{first[1]} {second[1]}"


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text in order; a version such as 9.6 is one."""
    for place, part in enumerate(_VERSION.split(text)):
        yield from [part] if place % 2 else words_in_order(part)


def _key(word: str) -> str:
    """Return a word as it is compared: in lower case, without a plural's ending."""
    key = folded(word)
    if len(key) < 4 or not key.endswith("s") or key.endswith(("ss", "us", "is")):
        return key
    return key[:-2] if key.endswith(("xes", "ches", "shes", "sses")) else key[:-1]


def _is_meaningful(word: str) -> bool:
    return word not in _EMPTY and (len(word) > 1 or not word.isascii() or word.isdecimal())


def _is_number(word: str) -> bool:
    return word[0].isdecimal()
