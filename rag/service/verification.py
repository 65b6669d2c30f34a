"""Verify: which sentences of a text the sources hold, each with a verbatim quote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rag.answer.answer import Citation
from rag.answer.draft import citation
from rag.answer.written.grounding import GroundingChecker
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.search.results import SearchResult
from rag.search.searcher import Searcher
from rag.store.filters import Filters
from rag.text.blocks import blocks, is_code, is_heading
from rag.text.citations import MARKERS
from rag.text.lines import one_line
from rag.text.sentences import sentences
from rag.text.words import stems, words

__all__ = ["Verdict", "verify"]

# The chunks that each sentence is compared with: those that a search for it finds, or the first of the given documents.
_CHUNKS, _CHUNKS_OF_DOCUMENT = 5, 60
_MOST_SENTENCES = 60
# The share of a sentence's words that its source must contain. An answer is written from its chunks, so that its check
# may trust the rest to be paraphrase; a text from elsewhere may name anything.
_SHARED = 0.75
# The longest sentence that is searched for, in characters; the model reads no more.
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sentence, and the source that holds it; None: no source does."""

    text: str
    citation: Citation | None

    def to_json(self) -> dict[str, Any]:
        """Return the sentence with its quote, or with nulls."""
        held = self.citation
        return {
            "text": self.text,
            "supported": held is not None,
            "url": held and held.url,
            "title": held and held.title,
            "source": held and held.source,
            "quote": held and held.quote,
        }


def verify(engine: Engine, text: str, *, documents: Sequence[str], filters: Filters) -> list[Verdict]:
    """Return a verdict for each sentence of a text, in order.

    :param documents: ids of the only documents that may hold a sentence; empty: all that match the filters
    :raises ConfigurationError: the text has no or too many sentences, or the index is empty
    """
    claims = list(_claims(text))
    if not claims:
        raise ConfigurationError("The text has no sentence to verify.")
    if len(claims) > _MOST_SENTENCES:
        raise ConfigurationError(f"The text has {len(claims)} sentences; verify at most {_MOST_SENTENCES} at a time.")
    searcher = engine.questions.searcher(filters)
    given = [chunk for document in documents for chunk in searcher.chunks_of(document, most=_CHUNKS_OF_DOCUMENT)]
    return [_verdict(engine, searcher, claim, given if documents else None) for claim in claims]


def _claims(text: str) -> Iterator[str]:
    for block in blocks(text):
        if is_code(block):
            yield block
        elif not is_heading(block):
            for sentence in sentences(one_line(MARKERS.sub(" ", block)), finer=True):
                if words(sentence) or sentence.strip().isalnum():
                    yield sentence.strip()


def _verdict(engine: Engine, searcher: Searcher, claim: str, given: list[SearchResult] | None) -> Verdict:
    results = given if given is not None else searcher.search(claim[:_LONGEST], top_k=_CHUNKS, per_document=2)
    checker = GroundingChecker(engine.encoders.of(searcher.index.embedding_model), results, "")
    by_words = sorted(enumerate(results, start=1), key=lambda numbered: -_shared(claim, numbered[1]))
    for number, result in by_words:
        if _shared(claim, result) < _SHARED:
            break
        if checker.check(claim, [number]):
            return Verdict(claim, citation(number, result, claim))
    return Verdict(claim, None)


def _shared(claim: str, result: SearchResult) -> float:
    """Return the share of a claim's words that a chunk, its heading or its title contains, in [0, 1]."""
    wanted = stems(claim)
    return len(wanted & stems(f"{result.title} {result.heading} {result.text}")) / max(len(wanted), 1)
