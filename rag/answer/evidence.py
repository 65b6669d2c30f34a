"""Evidence: the text of a chunk without the sentences that instruct language models.

Anyone can write an issue, so a prompt puts the text of strangers between marks that they cannot guess, and sentences
that instruct a language model are removed from prompts and extracts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from rag.search.results import SearchResult
from rag.text.lines import one_line
from rag.text.sentences import sentences
from rag.trust.addresses import Known
from rag.trust.authorship import is_trusted
from rag.trust.injection import speaks_to_models

__all__ = ["OMITTED", "evidence", "trusted_at", "trusted_texts", "without_addresses"]

#: Replaces the sentences that were removed.
OMITTED = "[…]"

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_END_OF_COMMENT = "-->"


def trusted_at(result: SearchResult, offset: int) -> bool:
    """Return whether the text at an offset of a chunk is by a trusted author."""
    voice = result.voice_at(offset)
    return voice is None or is_trusted(voice)


def trusted_texts(result: SearchResult) -> list[str]:
    """Return the parts of a chunk that trusted authors wrote; all of it for a page or a file."""
    if not result.voices:
        return [result.text]
    ends = [*(offset for offset, _ in result.voices[1:]), len(result.text)]
    return [
        result.text[start:end] for (start, voice), end in zip(result.voices, ends, strict=True) if is_trusted(voice)
    ]


def without_addresses(result: SearchResult, known: Known) -> SearchResult:
    """Return a chunk in which the sentences with unknown addresses are blank; the offsets in its text stay valid.

    The title of a thread stands above the sources of an answer, and anyone can write it: unknown addresses in it are
    left out too.
    """
    if result.voices and not known.allows(result.title):
        result = replace(result, title=_title_without_addresses(result.title, known))
    if known.allows(result.text):
        return result
    parts = sentences(result.text, finer=True, lines=True)
    text = "".join(part if known.allows(part) else _blank(part) for part in parts)
    # An address that was split into parts which are none is still there as a whole.
    return replace(result, text=text if known.allows(text) else _blank(result.text))


def _title_without_addresses(title: str, known: Known) -> str:
    shown = " ".join(word if known.allows(word) else OMITTED for word in title.split())
    return shown if known.allows(shown) else OMITTED


def _blank(part: str) -> str:
    bare = part.rstrip()
    return (OMITTED.ljust(len(bare)) if len(bare) >= len(OMITTED) else " " * len(bare)) + part[len(bare) :]


def _without_comments(text: str) -> str:
    """Return a text with blanks for its comments; a comment that never ends hides nothing, and is text."""
    end = text.rfind(_END_OF_COMMENT) + len(_END_OF_COMMENT)
    head, tail = (text[:end], text[end:]) if _END_OF_COMMENT in text else ("", text)
    return _COMMENT.sub(lambda comment: " " * len(comment[0]), head) + tail


@lru_cache(maxsize=64)  # the prompt or the extracts, the check of the answer and its quotes each ask for it
def evidence(result: SearchResult) -> str:
    """Return the text of a chunk without the sentences that instruct language models; answers are made from it."""
    text = _without_comments(result.text)
    kept: list[str] = []
    for part in sentences(text, finer=True, lines=True):
        if not speaks_to_models(part):
            kept.append(part)
        elif not kept or kept[-1].strip() != OMITTED:
            kept.append(OMITTED + part[len(part.rstrip()) :])
    clean = "".join(kept)
    # An instruction that was split into harmless parts is still there as a whole.
    return clean if not speaks_to_models(one_line(clean)) else OMITTED
