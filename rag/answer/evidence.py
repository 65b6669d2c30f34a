"""Evidence: the text of a chunk without the sentences that instruct language models.

Anyone can write an issue, so a prompt puts the text of strangers between marks that they cannot guess, and sentences
that instruct a language model are removed from prompts and extracts.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rag.search.results import SearchResult
from rag.text.lines import one_line
from rag.text.sentences import sentences
from rag.trust.authorship import is_trusted
from rag.trust.injection import speaks_to_models

__all__ = ["OMITTED", "evidence", "trusted_at"]

#: Replaces the sentences that were removed.
OMITTED = "[…]"

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def trusted_at(result: SearchResult, offset: int) -> bool:
    """Return whether the text at an offset of a chunk is by a trusted author."""
    voice = result.voice_at(offset)
    return voice is None or is_trusted(voice)


@lru_cache(maxsize=64)  # the prompt or the extracts, the check of the answer and its quotes each ask for it
def evidence(result: SearchResult) -> str:
    """Return the text of a chunk without the sentences that instruct language models; answers are made from it.

    If the text of a trusted author contains such a sentence, its other sentences are judged like a stranger's.
    """
    text = _COMMENT.sub(lambda comment: " " * len(comment[0]), result.text) if "<!--" in result.text else result.text
    is_suspect = speaks_to_models(text, trusted=True)
    if not (result.voices or is_suspect):
        return text
    kept: list[str] = []
    offset = 0
    for part in sentences(text, finer=True, lines=True):
        if not speaks_to_models(part, trusted=not is_suspect and trusted_at(result, offset)):
            kept.append(part)
        elif not kept or kept[-1].strip() != OMITTED:
            kept.append(OMITTED + part[len(part.rstrip()) :])
        offset += len(part)
    clean = "".join(kept)
    # An instruction that was split into harmless parts is still there as a whole.
    return clean if not speaks_to_models(one_line(clean), trusted=True) else OMITTED
