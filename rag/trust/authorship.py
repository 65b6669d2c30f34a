"""Authorship: who wrote the text of a chunk, and whether that author is trusted to speak for the project.

Documentation, maintainers and the authors of accepted answers are trusted. Anyone else can write an issue: a prompt
puts their text between marks that they cannot guess, and sentences that instruct a language model are removed from
prompts and extracts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from rag.models import Fix, SearchResult, Thread, Voice
from rag.text.lines import one_line
from rag.text.sentences import sentences
from rag.trust.injection import speaks_to_models

__all__ = [
    "MAINTAINERS",
    "OMITTED",
    "evidence",
    "is_trusted",
    "origin",
    "thread_of",
    "trusted_at",
    "verdict",
    "voices_of",
]

#: GitHub's associations of the people who speak for a repository.
MAINTAINERS = frozenset({"owner", "member", "collaborator"})
#: Replaces the sentences that were removed.
OMITTED = "[…]"

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def voices_of(about: Mapping[str, Any], passages: Sequence[Sequence[Any]]) -> tuple[tuple[int, Voice], ...]:
    """Return the authors of a chunk as (offset in the text, author), ascending; none for a page or a file.

    :param about: the document's metadata
    :param passages: [offset, attributes] of each comment in the chunk, as the chunker writes them
    """
    if not about.get("author"):
        return ()
    first = Voice(
        str(about["author"]), str(about.get("author_association") or "none"), str(about.get("created_at") or "")
    )
    voices = [(0, first)]
    for offset, marks in passages:
        voice = Voice(
            author=str(marks.get("author") or ""),
            association=str(marks.get("association") or "none"),
            at=str(marks.get("at") or ""),
            accepted=marks.get("answer") == "accepted",
        )
        voices.append((int(offset), voice))
    # A chunk that begins with a comment contains no text of the thread's author.
    return tuple(voices[1:] if len(voices) > 1 and voices[1][0] == 0 else voices)


def thread_of(about: Mapping[str, Any]) -> Thread | None:
    """Return the state of a thread from its document's metadata; None for a page or a file."""
    if not about.get("state"):
        return None
    return Thread(
        number=int(about.get("number") or 0),
        state=str(about["state"]),
        reason=about.get("state_reason"),
        closed_at=about.get("closed_at"),
        merged_at=about.get("merged_at"),
        fixed_by=tuple(
            Fix(int(fix["number"]), str(fix.get("url") or ""), str(fix.get("merged_at") or ""))
            for fix in about.get("fixed_by") or ()
        ),
    )


def is_trusted(voice: Voice) -> bool:
    """Return whether an author is a maintainer, or wrote the accepted answer."""
    return voice.accepted or voice.association.lower() in MAINTAINERS


def trusted_at(result: SearchResult, offset: int) -> bool:
    """Return whether the text at an offset of a chunk is by a trusted author."""
    voice = result.voice_at(offset)
    return voice is None or is_trusted(voice)


def origin(voice: Voice) -> str:
    """Return an author, their role and the date: "alice (maintainer), 2024-05-01"."""
    role = "accepted answer" if voice.accepted else "maintainer" if is_trusted(voice) else "user"
    return f"{voice.author} ({role}){', ' + voice.at[:10] if voice.at else ''}"


def verdict(thread: Thread | None) -> str | None:
    """Return how a thread ended, if that can make its text obsolete: "fixed by #12, merged on 2024-05-01"."""
    if thread is None:
        return None
    if thread.fixed_by:
        fix = max(thread.fixed_by, key=lambda fix: fix.merged_at)
        return f"fixed by #{fix.number}{', merged on ' + fix.merged_at[:10] if fix.merged_at else ''}"
    if thread.reason == "not_planned":
        return f"closed as not planned{' on ' + thread.closed_at[:10] if thread.closed_at else ''}"
    if thread.reason == "duplicate":
        return "closed as a duplicate"
    return None


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
