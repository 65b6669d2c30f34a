"""Spelling: the words of a vocabulary that another word may be a misspelling of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Known", "Vocabulary", "distance", "is_slip", "joined", "spelt", "splits"]

_SEPARATOR = re.compile(r"[-_.:/=]+")
_JOINED = str.maketrans("", "", "-_.:/=")
# How many letters a misspelt word has, at least, if only its separators are wrong, one letter, or two.
_LEAST = (4, 5, 9)
# From how many letters on a word may have slips that make another word of a short one.
_LONG = 6
_VOWELS = set("aeiouy")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm")
_BESIDE = {pair for row in _ROWS for a, b in pairwise(row) for pair in (a + b, b + a)}
# What a stem lacks of its words.
_ENDINGS = (
    "e", "y", "s", "es", "ed", "er", "ers", "ing", "ly", "ally", "al", "able", "ance", "ence", "ful", "less", "ent",
    "ion", "ions", "ation", "ations", "ity", "ive", "ment", "ments", "ness", "or", "ors",
)  # fmt: skip
_NAME = re.compile(r"(?:--)?\w+(?:(?:[-._/]|::)\w+)*")
# What is counted of a term before it is known to be one of those that are looked for.
_Counted = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Known:
    """A term of a vocabulary: a word stem such as "commit" or "cherry-pick", or an identifier marked by "="."""

    term: str
    #: how many texts hold it
    count: int
    #: how many letters differ from the word that was looked up; separators do not count
    distance: int


class Vocabulary:
    """Terms, to be found by words that are spelt like them.

    :param terms: each with the number of texts that hold it
    """

    def __init__(self, terms: Mapping[str, int]) -> None:
        self._counted: dict[tuple[str, int], list[_Counted]] = {}
        self._masked: dict[tuple[str, int], list[tuple[int, _Counted]]] = {}
        for term, count in terms.items():
            if letters := joined(term):
                self._counted.setdefault((letters[0], len(letters)), []).append((letters, term, count))

    def near(self, word: str, stem: str, *, most: int = 2) -> list[Known]:
        """Return the terms that a word may be a misspelling of, the likeliest first.

        They begin with the same letter, and differ by one letter, or by two if the word is long. Digits are no letters:
        another number is another thing.

        :param word: in lower case, as it is written
        :param stem: of the word; identifiers are not compared with it, since they have none
        :param most: the number of letters that may differ
        """
        letters = joined(word)
        most = min(most, sum(len(letters) >= least for least in _LEAST) - 1) if letters.isalpha() else 0
        best: dict[str, Known] = {}
        # The stem of a misspelt word may have an ending that the stem of the right word lacks: "diffrenc" and "differ".
        endings = [letters.removesuffix(ending) for ending in _ENDINGS]
        for form in dict.fromkeys([letters, joined(stem), *endings]):
            for one in self._near(form, most):
                may_be = one.term[0] != "=" or form == letters
                if may_be and (one.term not in best or one.distance < best[one.term].distance):
                    best[one.term] = one
        is_option = word.startswith("--")
        return sorted(
            best.values(),
            key=lambda one: (one.distance, one.term.startswith("=--") != is_option, -one.count, one.term),
        )

    def _near(self, letters: str, most: int) -> Iterator[Known]:
        if most < 0 or len(letters) < _LEAST[0]:
            return
        mask = _mask(letters)
        for length in range(len(letters) - most, len(letters) + most + 1):
            for other, (spelt_so, term, count) in self._of(letters[0], length):
                # A letter that is replaced changes two bits.
                if (other ^ mask).bit_count() > 2 * most:
                    continue
                apart = distance(letters, spelt_so, most)
                if apart <= most and (apart == 0 or spelt_so.isalpha()):
                    yield Known(term, count, apart)

    def _of(self, initial: str, length: int) -> list[tuple[int, _Counted]]:
        """Return the terms with an initial and a length, each with the mask of its letters."""
        key = (initial, length)
        if key not in self._masked:
            self._masked[key] = [(_mask(one[0]), one) for one in self._counted.get(key, ())]
        return self._masked[key]


def _mask(letters: str) -> int:
    """Return a number with a bit for each letter that a word has."""
    mask = 0
    for letter in letters:
        mask |= 1 << (ord(letter) & 63)
    return mask


def joined(word: str) -> str:
    """Return a word without the separators of identifiers: "max_wal_size" and "max-wal-size" become the same."""
    return word.translate(_JOINED)


def splits(word: str) -> frozenset[int]:
    """Return before how many letters of a word the separators stand: {3, 6} for "max_wal_size", {0} for "--depth"."""
    before = 0
    places = []
    for part in _SEPARATOR.split(word)[:-1]:
        before += len(part)
        places.append(before)
    return frozenset(places)


def spelt(term: str, texts: Iterable[str], like: str) -> str | None:
    """Return how texts write a term: the form nearest to a word; None if they do not hold the term.

    :param term: a word stem, or an identifier marked by "="
    """
    bare, is_identifier = term.removeprefix("="), term.startswith("=")
    beginning = joined(bare)[: None if is_identifier else -1]
    forms: dict[str, Counter[str]] = {}
    for text in texts:
        for form in _NAME.findall(text):
            same = form.lower() == bare if is_identifier else joined(form.lower()).startswith(beginning)
            if same and splits(form) == splits(bare):
                forms.setdefault(form.lower(), Counter())[form] += 1
    if not forms:
        return None
    wanted = joined(like.lower())
    best = min(forms, key=lambda form: (distance(wanted, joined(form), 9), -forms[form].total(), form))
    usual = forms[best].most_common(1)[0][0]
    # "Commit" begins a sentence; KeepAliveTimeout is a name.
    return usual if usual[1:] != usual[1:].lower() and not usual.isupper() else best


def is_slip(word: str, right: str, most: int) -> bool:
    """Return whether a word is another one with so many slips of a writer, at most.

    A letter is left out; two are swapped; one is doubled. In a word of six letters or more, a letter beside another on
    the keyboard may be added, or stand for it, and a vowel may be another one. Names differ from words in other ways:
    "flask" from "flash", "conda" from "cond".
    """
    return _is_slip(word, right, most, is_long=len(word) >= _LONG)


def _is_slip(word: str, right: str, most: int, *, is_long: bool) -> bool:
    if word == right:
        return True
    if most == 0 or abs(len(word) - len(right)) > most:
        return False
    same = next((at for at, (a, b) in enumerate(zip(word, right, strict=False)) if a != b), min(len(word), len(right)))
    before, rest, other = word[max(same - 1, 0) : same], word[same:], right[same:]
    # What is left of both words after each slip that is possible here.
    left: list[tuple[str, str]] = []
    if other:
        left.append((before + rest, before + other[1:]))
    if rest and any(_are_near(rest[0], one, is_long=is_long) for one in (before, rest[1:2]) if one):
        left.append((before + rest[1:], before + other))
    if rest and other:
        if rest[:2] == other[1::-1]:
            left.append((rest[2:], other[2:]))
        if is_long and (_are_near(rest[0], other[0], is_long=True) or {rest[0], other[0]} <= _VOWELS):
            left.append((rest[1:], other[1:]))
    return any(_is_slip(one, another, most - 1, is_long=is_long) for one, another in left)


def _are_near(one: str, other: str, *, is_long: bool) -> bool:
    """Return whether two letters are the same or, in a long word, beside each other on a keyboard."""
    return one == other or (is_long and one + other in _BESIDE)


def distance(one: str, other: str, most: int) -> int:
    """Return how many letters are added, left out, replaced or swapped with their neighbour between two words.

    :param most: beyond it, the result is `most` + 1
    """
    if one == other:
        return 0
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        new = [row]
        for column, wanted in enumerate(other, start=1):
            cost = min(last[column] + 1, new[column - 1] + 1, last[column - 1] + (letter != wanted))
            is_swapped = row > 1 and column > 1 and letter == other[column - 2] and wanted == one[row - 2]
            new.append(min(cost, before[column - 2] + 1) if is_swapped else cost)
        if min(new) > most and min(last) > most:
            return most + 1
        before, last = last, new
    return min(last[-1], most + 1)
