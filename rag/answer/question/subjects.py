"""What a conversation is about: the words that weigh most in its questions and answers, and the pages it cites."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

from rag.answer.answer import Turn
from rag.answer.notices import ABSTENTION, without_notices
from rag.answer.question.asked import Asked, tokens
from rag.store.search import Term

__all__ = ["NO_SUBJECT", "Subject", "begins_anew", "since_begun", "subject_of", "without_opening"]

# How many turns may hold the subject of a follow-up, the first and the latest, and how many of its words count.
_REMEMBERED, _WORDS = 4, 3
# What a word counts for each kind of place where it stands: the name of the page that answers, a heading or a name
# in code, the question, the text. Words of questions that no answer has are often those that only ask.
_IN_PAGE, _IN_HEADING, _IN_QUESTION, _IN_TEXT = 3.0, 1.5, 1.5, 1.0
# The largest weight of a term: a very rare one says less than that of what the answer is about.
_MOST_WEIGHT = 6.0
# What a term of the subject weighs beside one of the question.
_WEIGHT = 0.4
# How many of the pages that an answer cites count, the first ones.
_PAGES = 2
# A turn counts this share of the one after it; the first one names the subject.
_OLDER = 0.6
# The beginning of an answer that is read, in characters: its first passage is the best.
_READ = 600
# A line in bold, or the term of a definition: "`max_wal_size` (`integer`)".
_HEADING = re.compile(r"^(?:\*\*(.+?)\*\*|`([^`\n]+)`[^\n]{0,30})$", re.M)
_CODE = re.compile(r"`([^`\n]{2,60})`")
_NAME = re.compile(r"(?:--)?\w+(?:(?:[-.]|::)\w+)*")
_FENCE = re.compile(r"^```.*?(?:^```|\Z)", re.M | re.S)
_ANEW = re.compile(
    r"^\W*(?:(?:and\s+)?now\s+for\s+)?"
    r"(?:unrelated(?:ly)?|off[- ]topic"
    r"|(?:on\s+)?(?:an?|another)?\s*(?:different|other|new|unrelated|separate)\s+(?:question|topic|subject|thing|note)"
    r"|another\s+(?:question|topic|subject|thing)|something\s+(?:else|different)"
    r"|chang(?:e|ing)\s+(?:of\s+)?(?:the\s+)?(?:subject|topic))"
    r"\b\s*(?:entirely|altogether)?\s*[:,.;!–—-]\s*",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the turns before a question are about."""

    #: words of the index, the heaviest first
    words: tuple[str, ...] = ()
    #: their terms; they weigh less than those of a question
    terms: tuple[Term, ...] = ()
    #: the URLs of the pages that were cited, without fragments
    pages: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The words as a text."""
        return " ".join(self.words)

    def added_to(self, terms: Sequence[Term]) -> list[Term]:
        """Return the terms of a question with those of the subject that the question does not have."""
        own = {term.lexeme for term in terms}
        return [*terms, *(term for term in self.terms if term.lexeme not in own)]

    def has(self, url: str) -> bool:
        """Return whether a page was cited."""
        return url.partition("#")[0] in self.pages


#: The subject of a question that begins a conversation, or a new subject.
NO_SUBJECT = Subject()


def begins_anew(question: str) -> bool:
    """Return whether a question says that it is about something else: "unrelated: how do I sign a tag?"."""
    return bool(_ANEW.match(question))


def since_begun(history: Sequence[Turn]) -> list[Turn]:
    """Return the turns since the last one that says that it is about something else."""
    anew = [place for place, turn in enumerate(history) if begins_anew(turn.question)]
    return list(history[anew[-1] if anew else 0 :])


def without_opening(question: str) -> str:
    """Return a question without the words that say that it is about something else."""
    return _ANEW.sub("", question) or question


def subject_of(question: str, history: Sequence[Turn], terms_of: Callable[[str], Sequence[Term]]) -> Subject:
    """Return what the conversation before a question is about.

    :param terms_of: returns the terms of a text with their weights in the index
    """
    turns = _of_one_subject(history)
    read = [(1.0 if turn is turns[0] else _OLDER**age, _places(turn)) for age, turn in enumerate(reversed(turns))]
    everything = "\n".join([question, *(text for _, places in read for _, text in places)])
    asked = Asked.of("", [term for term in terms_of(everything) if term.chunks])
    weights: defaultdict[str, float] = defaultdict(float)
    forms: dict[str, str] = {}
    for share, places in read:
        for counts, text in places:
            found = {term: word for word in tokens(text) if not word.isdigit() and (term := asked.term_of(word))}
            forms = found | forms
            for term in found:
                weights[term] += share * counts * min(asked.weights[term], _MOST_WEIGHT)
    names = {term.lexeme.removeprefix("=") for term in asked.identifiers}
    named = [] if names.intersection(_names(question)) else [name for turn in turns for name in _named(turn, names)]
    best = sorted(weights, key=lambda term: -weights[term])[:_WORDS]
    known = {term.lexeme: replace(term, idf=_WEIGHT * term.idf) for term in asked.terms}
    return Subject(
        tuple(dict.fromkeys([*named, *(forms[term] for term in best)])),
        tuple(known[term] for term in best),
        frozenset(page for turn in turns for page in turn.pages[:_PAGES]),
    )


def _of_one_subject(history: Sequence[Turn]) -> list[Turn]:
    """Return the turns since the last one that says that it is about something else: the first and the latest."""
    turns = since_begun(history)
    return turns if len(turns) <= _REMEMBERED else [turns[0], *turns[1 - _REMEMBERED :]]


def _headings(answer: str) -> list[str]:
    return [bold or term for bold, term in _HEADING.findall(answer)]


def _names(text: str) -> list[str]:
    return [name.lower() for name in _NAME.findall(text)]


def _named(turn: Turn, names: Set[str]) -> list[str]:
    """Return the identifiers of a question that a passage of its answer is about: they are the subject itself."""
    about = {name for heading in _headings(turn.answer) for name in _names(heading)}
    return [name for name in _NAME.findall(turn.question) if name.lower() in names & about]


def _places(turn: Turn) -> list[tuple[float, str]]:
    """Return the texts of a turn, each with what a word in it counts."""
    said = "" if turn.answer.startswith(ABSTENTION) else without_notices(turn.answer)
    answer = _FENCE.sub(" ", said)[:_READ]
    headings = [*_headings(answer), *_CODE.findall(answer)]
    page = turn.pages[0].rstrip("/").rpartition("/")[2].partition(".")[0] if turn.pages else ""
    return [
        (_IN_PAGE, page),
        (_IN_HEADING, "\n".join(headings)),
        (_IN_QUESTION, without_opening(turn.question)),
        (_IN_TEXT, answer),
    ]
