"""Follow-ups that a language model rewrote: used only if they still are that question of that conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answer.answer import Turn
from rag.answer.written.declining import is_no_answer
from rag.text.citation_forms import normalized
from rag.text.citations import cited, sanitized
from rag.text.sentences import sentences
from rag.text.words import stems
from rag.trust.addresses import addresses
from rag.trust.injection import speaks_to_models

__all__ = ["standalone_question"]

# A rewritten question names what the follow-up refers to, so it may be longer, but not a text of its own.
_LONGER, _MORE_CHARACTERS, _MOST_CHARACTERS = 3, 60, 1000
_MOST_SENTENCES = 2
_LABEL = re.compile(
    r"\W*(?:(?:the\s+)?(?:standalone|rewritten|rephrased|condensed|reworded|last|final|new)\s+)*(?:question|query)\s*:\s*",
    re.IGNORECASE,
)
_QUOTES = "\"'`*“”„«»「」 "


def standalone_question(reply: str, question: str, history: Sequence[Turn]) -> str | None:
    """Return the question that a language model made of a follow-up, or None if the reply is none.

    It is none if it is longer than a question, consists of several lines, contains an address that the conversation
    does not, or shares no word with the conversation.
    """
    lines = [line.strip() for line in reply.strip().split("\n") if line.strip()]
    asking = [line for line in lines if line.rstrip(_QUOTES).endswith(("?", "\uff1f", "؟", ";"))]
    if len(lines) > 1 and len(asking) != 1:
        return None
    text = _LABEL.sub("", (asking if len(lines) > 1 else lines or [""])[0]).strip(_QUOTES)
    said = "\n".join([question, *(f"{turn.question}\n{turn.answer}" for turn in history)])
    asked = f"{question} {history[-1].question}"
    most = min(_LONGER * len(asked) + _MORE_CHARACTERS, _MOST_CHARACTERS)
    if not text or len(text) > most or len(sentences(text)) > _MOST_SENTENCES or is_no_answer(text):
        return None
    if (
        sanitized(text) != text
        or "`" * 3 in text
        or cited(normalized(text, ()), range(1, 1000))
        or speaks_to_models(text)
    ):
        return None
    if not addresses(text) <= addresses(said) or (stems(text) and not stems(text) & stems(said)):
        return None
    return text
