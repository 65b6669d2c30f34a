"""Features of a passage: the numbers from which a model predicts whether the passage answers a question."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rag.answer.extracts.passages import Passage, plain
from rag.answer.question.asked import Asked, tokens
from rag.search.results import SearchResult
from rag.text.blocks import is_code, is_item, is_table
from rag.text.sentences import sentences
from rag.text.words import FUNCTION_WORDS, words
from rag.trust.authorship import is_trusted, verdict

__all__ = ["Described", "Surroundings", "described", "features", "with_meaning"]

_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.,]*(?:%|\w{0,3}\b)")
_DEFAULT = re.compile(r"\bdefaults?\b|\binitial(?:ly)?\b", re.I)
_COMMAND = re.compile(r"`[^`\n]+`|(?<!\w)--?[a-z][\w-]+")
_SIDES = re.compile(
    r"\b(?:whereas|while|unlike|in contrast|instead of|differ\w*|compared?|rather than|on the other hand|but)\b", re.I
)
_CAUSE = re.compile(
    r"\b(?:because|since|due to|therefore|the reason|so that|caused? by|to avoid|otherwise|this is why|means that)\b",
    re.I,
)
_CURE = re.compile(
    r"\b(?:should|must|need to|have to|make sure|use|set|try|instead|solution|fix|avoid|workaround|raise|increase)\b",
    re.I,
)
_DECIDES = re.compile(
    r"\b(?:clos(?:ed?|ing)|agree[ds]?|consensus|decid\w+|decision|conclusion|resolved|merged|fixed|won't|will not"
    r"|wontfix|prefer(?:ence|red)?|discussed|discussion in|interim|done|no change|rejected|land(?:ed)?|obsolete"
    r"|out of scope|lgtm|sgtm|pr #?\d+|addressed)\b",
    re.I,
)
_DEFINES = re.compile(
    r"^[^.\n]{0,80}?\b(?:is|are|means|refers to|provides?|allows?|specifies|controls|sets|returns?)\b", re.I
)
# A sentence that says what its subject is or does: "A submodule is a repository", "The directive defines a condition".
_IS_A = re.compile(
    r"(?:(?:an?|the)\s)?([^.:;,()]{1,60}?)\s(?:(?:is|are) (?:an?|the|one|any|simply)\b|are (?!\w+ed\b)\w"
    r"|(?:means|refers? to|stands? for|denotes?)\b"
    r"|(?!is\b|was\b|has\b)\w+s (?:an?|the|whether|how|which|to|all|any)\b)",
    re.I,
)
# How many sentences of a passage may define its subject.
_DEFINING = 3
_POINTER = re.compile(
    r"^(?:see|for (?:more|further|details)|this (?:section|chapter|document|page)|note that)\b"
    r"|\bsee (?:also|the|section|chapter)\b",
    re.I,
)
_NEGATION = re.compile(r"\b(?:not|never|no|cannot|can't|won't|doesn't|don't|only|always|yes)\b", re.I)
_MADE_BY = re.compile(
    r"\b(?:written|created|started|made|developed|maintained|invented|designed|founded|led|authored|contributed)"
    r"(?: and \w+)? by\b|\b(?:authors?|maintainers?|developers?|contributors?) (?:are|of|include)\b",
    re.I,
)
# The term of an argument, such as <path>…: what is put into a command, not how it is called.
_PLACEHOLDER = re.compile(r"\[?<[\w -]+>(?:…|\.\.\.)?\]?")
# Headings below which a page names the people who made something.
_PEOPLE = words("author authors maintainer maintainers credits contributor contributors people team history")
# A comment that only thanks or agrees.
_ACKNOWLEDGES = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|great|perfect|cool|nice|awesome|yes|ah|oh|many)\W+){0,2}"
    r"(?:thanks?|thx|cheers|(?:that )?(?:works?|worked|helped)|sounds good|makes sense|got it|fixed|done|\+1)\b",
    re.I,
)
_CHANGED = re.compile(r"^(?:changed|new|added|deprecated) in version|^\W*(?:changed|new) in", re.I)
# The parameters of BM25, and the usual number of words of a passage.
_K1, _B, _USUAL_SIZE = 1.2, 0.75, 50
# The longest line of a list that is only a table of contents.
_LONGEST_ENTRY = 60


@dataclass(frozen=True)
class Described:
    """A passage with what is counted of it once, for all its features."""

    passage: Passage
    #: the terms of the question in its text, in its last heading or term, and in the headings and title above it
    in_text: frozenset[str]
    in_label: frozenset[str]
    in_path: frozenset[str]
    words: tuple[str, ...]
    label_words: tuple[str, ...]
    path_words: tuple[str, ...]
    #: the sides of a comparison of which the passage says what they are
    tells: frozenset[frozenset[str]] = frozenset()

    @cached_property
    def found(self) -> frozenset[str]:
        """The terms of the question in its text and above it."""
        return self.in_text | self.in_label | self.in_path


def described(asked: Asked, passage: Passage) -> Described:
    """Return a passage with the terms of the question that it contains."""
    words = tuple(tokens(passage.text))
    *above, last = passage.path.split(" › ")
    if passage.term:
        above, last = [*above, last], passage.term
    label_words = tuple(tokens(plain(last)))
    path_words = tuple(tokens(" ".join([*above, passage.result.title])))
    in_label = frozenset(asked.found_in(label_words))
    said = [asked.found_in(tokens(subject)) for subject in _subjects(passage)] if asked.sides else []
    if passage.term or passage.opens:
        said.append(set(in_label))
    return Described(
        passage,
        in_text=frozenset(asked.found_in(words)),
        in_label=in_label,
        in_path=frozenset(asked.found_in(path_words)),
        words=words,
        label_words=label_words,
        path_words=path_words,
        tells=frozenset(side for side in asked.sides if side in said),
    )


@dataclass(frozen=True)
class Surroundings:
    """What a passage is compared with: the other results, and the passages of its document."""

    most_bm25: float
    most_cosine: float
    #: the terms found in any passage of a document, by its id
    by_document: dict[str, frozenset[str]]
    #: the number of results of a document
    results_of: dict[str, int]
    #: the last place of a comment that was found in a thread, by document id
    last_ordinal: dict[str, int]

    @classmethod
    def of(cls, results: Sequence[SearchResult], found: Sequence[Described]) -> Surroundings:
        """Return the surroundings of passages of these results."""
        by_document: dict[str, set[str]] = defaultdict(set)
        count: dict[str, int] = defaultdict(int)
        last: dict[str, int] = defaultdict(int)
        for one in found:
            by_document[one.passage.result.document_id] |= one.found
        for result in results:
            count[result.document_id] += not result.is_neighbour
            last[result.document_id] = max(last[result.document_id], result.ordinal)
        return cls(
            most_bm25=max((result.bm25 for result in results), default=0.0) or 1.0,
            most_cosine=max((result.cosine for result in results), default=0.0) or 1.0,
            by_document={document: frozenset(terms) for document, terms in by_document.items()},
            results_of=dict(count),
            last_ordinal=dict(last),
        )


def features(asked: Asked, one: Described, around: Surroundings) -> dict[str, float]:
    """Return the features of a passage that need no vector of it."""
    passage, text, result = one.passage, one.passage.text, one.passage.result
    size = len(one.words) or 1
    order = [asked.term_of(word) for word in one.words]
    pairs = {pair for pair in pairwise(order) if pair in asked.pairs}
    label_order = [asked.term_of(word) for word in one.label_words]
    label_pairs = {pair for pair in pairwise(label_order) if pair in asked.pairs}
    has_code = any(is_code(block.text) for block in passage.blocks)
    frequency = sum(term is not None for term in order) / (size + 12)
    above = [*map(asked.term_of, one.label_words), *map(asked.term_of, one.path_words)]
    label = _precision(asked, one.label_words)
    title = _precision(asked, tokens(result.title))
    base = {
        "coverage": asked.share(one.in_text),
        "coverage of the label": asked.share(one.in_label),
        "label is the question": _is_question(asked, one),
        "coverage of the path": asked.share(one.in_path),
        "coverage in all": asked.share(one.found),
        "coverage of the document": asked.share(around.by_document.get(result.document_id, ())),
        "precision of the label": label,
        "precision of the title": title,
        "opens the page: precision of the title": passage.opens * (result.ordinal == 0) * title,
        "density": frequency,
        "bm25": _bm25(asked, [*order, *above], size + len(above)),
        "bm25 of the text": _bm25(asked, order, size),
        "pairs": len(pairs) / (len(asked.pairs) or 1),
        "pairs in the label": len(label_pairs) / (len(asked.pairs) or 1),
        "cosine of the chunk": result.cosine,
        "cosine of the chunk, relative": result.cosine / around.most_cosine,
        "bm25 of the chunk": result.bm25 / around.most_bm25,
        "rank": 1 / (1 + result.rank),
        "is first": float(result.rank == 1),
        "results of the document": math.log(max(around.results_of.get(result.document_id, 1), 1)),
        "size": math.log(size),
        "is short": float(size < 8),
        "is long": max(math.log(size / 90), 0.0),
        "place": 1 / (1 + passage.place),
        "opens": float(passage.opens),
        "opens: precision of the label": passage.opens * label,
        "opens: coverage of the label": passage.opens * asked.share(one.in_label),
        "begins the document": float(result.ordinal == 0 and passage.place < 2),
        "depth in the page": 0.0 if result.thread else math.log1p(result.ordinal),
        "is a question": float(text.rstrip().endswith("?")),
        "label is a question": float(passage.path.rstrip().endswith("?")),
        "is an entry": float(passage.is_entry),
        "is an entry: coverage": passage.is_entry * asked.share(one.in_text),
        "is a synopsis": float(any(block.is_synopsis for block in passage.blocks)),
        "is bare code": float(has_code and len(passage.code) == len(passage.blocks)),
        "has code": float(has_code),
        "is a table": float(any(is_table(block.text) for block in passage.blocks)),
        "is a list": float(is_item(passage.blocks[-1].text)),
        "is a list of links": float(_is_contents(text)),
        "is a definition": float(bool(passage.term)),
        "points elsewhere": float(bool(_POINTER.search(text)) and size < 40),
        "is a change note": float(bool(_CHANGED.match(text))),
        "names commands": min(len(_COMMAND.findall(text)), 6) / 6,
        **_of_thread(passage, around),
    }
    return {**base, **_by_kind(asked, one, base)}


def with_meaning(
    found: Sequence[Described], rows: Sequence[Mapping[str, float]], cosines: Sequence[float]
) -> list[dict[str, float]]:
    """Return the features of passages with those that need their vectors.

    :param cosines: of each passage and the question
    """
    largest = max(cosines, default=0.0)
    documents = [one.passage.result.document_id for one in found]
    best: dict[str, float] = {}
    for document, cosine in zip(documents, cosines, strict=True):
        best[document] = max(best.get(document, -1.0), cosine)
    return [
        {
            **row,
            "cosine": cosine,
            "cosine, below the largest": cosine - largest,
            "cosine of the document": best[document],
            "is an entry: cosine": row["is an entry"] * cosine,
        }
        for row, cosine, document in zip(rows, cosines, documents, strict=True)
    ]


def _bm25(asked: Asked, order: Sequence[str | None], size: int) -> float:
    """Return the BM25 score of words as a share of the best possible one.

    :param order: for each word, the term of the question that it is a form of
    """
    counts = Counter(order)
    long = _B * size / _USUAL_SIZE + 1 - _B
    weights = asked.weights
    return sum(
        weights[term] * count * (_K1 + 1) / (count + _K1 * long) for term, count in counts.items() if term is not None
    ) / ((_K1 + 1) * asked.weight)


def _precision(asked: Asked, words: Sequence[str]) -> float:
    """Return the share of a heading's words that the question has, less if it is short."""
    content = [word for word in words if word not in FUNCTION_WORDS]
    return sum(asked.term_of(word) is not None for word in content) / (len(content) + 0.5)


def _is_question(asked: Asked, one: Described) -> float:
    """Return 1 if a heading has the terms of the question, several, and no others."""
    others = [word for word in one.label_words if word not in FUNCTION_WORDS and asked.term_of(word) is None]
    return float(len(asked.terms) > 1 and len(one.in_label) == len(asked.weights) and not others)


def _is_contents(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) > 1 and all(is_item(line) and len(line) <= _LONGEST_ENTRY for line in lines)


def _of_thread(passage: Passage, around: Surroundings) -> dict[str, float]:
    """Return who says a passage and when in the thread; all 0 for a page."""
    result, text = passage.result, passage.text
    if result.thread is None:
        return dict.fromkeys(_THREAD, 0.0)
    voice = result.voice_at(max(result.text.find(passage.blocks[0].text), 0))
    return {
        "of a thread": 1.0,
        "opens the thread": float(result.ordinal == 0),
        "is late in the thread": result.ordinal / (around.last_ordinal.get(result.document_id) or 1),
        "is trusted": float(voice is not None and is_trusted(voice)),
        "decides": float(bool(_DECIDES.search(text))),
        "quotes": float(text.lstrip().startswith(">")),
        "acknowledges": float(bool(_ACKNOWLEDGES.match(text))),
        "thread has a verdict": float(verdict(result.thread) is not None),
    }


_THREAD = (
    "of a thread", "opens the thread", "is late in the thread", "is trusted", "decides", "quotes",
    "acknowledges", "thread has a verdict",
)  # fmt: skip


def _subject_defined(asked: Asked, passage: Passage) -> float:
    """Return the question's share in the subject of a sentence that says what it is, less if the subject is long."""
    subjects = [tokens(subject) for subject in _subjects(passage)]
    return max((asked.share(asked.found_in(one)) * _precision(asked, one) for one in subjects), default=0.0)


def _subjects(passage: Passage) -> list[str]:
    """Return the subjects of the first sentences that say what something is."""
    prose = next((block.text for block in passage.blocks if not is_code(block.text)), "")
    found = (_IS_A.match(sentence.strip()) for sentence in sentences(plain(prose))[:_DEFINING])
    return [subject[1] for subject in found if subject]


def _share(held: Iterable[bool]) -> float:
    values = list(held)
    return sum(values) / (len(values) or 1)


def _by_kind(asked: Asked, one: Described, base: dict[str, float]) -> dict[str, float]:
    """Return the features that count for one kind of question only."""
    passage, text = one.passage, one.passage.text

    def when(kind: str, value: float) -> float:
        return value if kind in asked.kinds else 0.0

    is_first = base["begins the document"]
    number = float(bool(_NUMBER.search(text)))
    return {
        "definition: defines": when("definition", float(bool(_DEFINES.match(text)))),
        "definition: begins": when("definition", is_first),
        "definition: name line": when("definition", is_first * passage.is_name_line * base["coverage"]),
        "definition: subject": _subject_defined(asked, passage) if "definition" in asked.kinds else 0.0,
        "definition: label": when("definition", base["precision of the label"] * base["coverage of the label"]),
        "definition: term": when("definition", base["is a definition"] * base["coverage of the label"]),
        "definition: code": when("definition", base["has code"]),
        "definition: place": when("definition", base["place"]),
        "how: code": when("how", float(passage.shows_how)),
        "how: synopsis": when("how", base["is a synopsis"]),
        "how: placeholder": when("how", float(bool(_PLACEHOLDER.fullmatch(passage.term)))),
        "how: commands": when("how", base["names commands"]),
        "how: label": when("how", base["coverage of the label"]),
        "how: begins": when("how", is_first),
        "how: cure": when("how", float(bool(_CURE.search(text)))),
        "value: number": when("value", number),
        "value: default": when("value", float(bool(_DEFAULT.search(text)))),
        "value: default and number": when("value", number * float(bool(_DEFAULT.search(text)))),
        "value: label": when("value", base["coverage of the label"]),
        "lookup: definition": when("lookup", base["is a definition"]),
        "lookup: commands": when("lookup", base["names commands"]),
        "yes-no: negation": when("yes-no", float(bool(_NEGATION.search(text)))),
        "comparison: sides": when("comparison", float(bool(_SIDES.search(text)))),
        "comparison: coverage": when("comparison", base["coverage"]),
        "comparison: has sides": _share(side <= one.in_text | one.in_label for side in asked.sides),
        "comparison: label has the sides": when(
            "comparison", float(bool(asked.sides) and all(side <= one.in_label for side in asked.sides))
        ),
        "comparison: label is a side": base["precision of the label"]
        * any(side <= one.in_label for side in asked.sides),
        "why: cause": when("why", float(bool(_CAUSE.search(text)))),
        "error: cause": when("error", float(bool(_CAUSE.search(text)))),
        "error: cure": when("error", float(bool(_CURE.search(text)))),
        "error: pairs": when("error", base["pairs"]),
        "author: made by": when("author", float(bool(_MADE_BY.search(text)))),
        "author: label": when("author", float(not _PEOPLE.isdisjoint(one.label_words))),
        "thread: decides late": base["decides"] * base["is late in the thread"],
    }
