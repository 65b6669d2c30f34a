"""Notices: the sentences of an answer that are the engine's own, and cite nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.store.search import Term
from rag.text.languages import foreign_language

__all__ = ["ABSTENTION", "CLOSEST", "is_notice", "language_hint", "without_notices"]

#: Shown instead of an answer; the nearest pages follow as citations.
ABSTENTION = "The sources do not answer this. The nearest pages are listed below."
#: Stands above an extract that may only be near the question.
CLOSEST = "The closest passages in the sources:"
_OFFER = re.compile(r"Did you mean “[^\n]+”\??")
_SEARCHED = re.compile(r"Searched for [^\n]+\.(?:\n+|\Z)")
# The embedding models that read English only, and one for fifty languages that runs here as they do.
_ENGLISH_ONLY = frozenset(["local/all-MiniLM-L6-v2"])
_MULTILINGUAL = "hf:sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
# The share of a question's terms that an index in the question's language would know.
_UNKNOWN = 0.4


def is_notice(line: str) -> bool:
    """Return whether a line of an answer is the engine's own."""
    return line == CLOSEST or bool(_SEARCHED.fullmatch(line) or _OFFER.fullmatch(line))


def without_notices(answer: str) -> str:
    """Return an answer without the notices above and below its passages."""
    searched = _SEARCHED.match(answer)
    above, _, last = answer.rpartition("\n\n")
    text = above if _OFFER.fullmatch(last) else answer
    return text[searched.end() if searched else 0 :].removeprefix(CLOSEST)


def language_hint(question: str, terms: Sequence[Term], model: str) -> str | None:
    """Return the sentence that says why a question in another language is not answered, and what would help.

    None if the question is in English or in a language of the index, or if the model may know the language.

    :param terms: of the question, as `Searcher.terms` returns them
    """
    if model not in _ENGLISH_ONLY or sum(term.chunks == 0 for term in terms) < _UNKNOWN * max(len(terms), 1):
        return None
    language = foreign_language(question)
    if language is None:
        return None
    return (
        f"The question seems to be in {language}, and the embedding model {model} reads English only: ask in English, "
        f"or set RAG_EMBEDDING_MODEL={_MULTILINGUAL}."
    )
