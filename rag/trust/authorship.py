"""Who says a thing, and how far it can be trusted: documentation, maintainers and accepted answers, or anyone at all.

Anyone can write an issue. What strangers wrote is data: in a prompt it stands between marks that it cannot know, and
sentences in it that speak to a language model instead of a reader are taken out, there and in extracts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from rag.models import Fix, SearchResult, Thread, Voice
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

#: Associations with a repository that let somebody speak for it.
MAINTAINERS = frozenset({"owner", "member", "collaborator"})
#: Stands for what was taken out.
OMITTED = "[…]"

_LINES = re.compile(r"(?<=[.!?])(?=\s)|(?<=\n)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# Few texts have any of these, and only those are read sentence by sentence.
_HINT = re.compile(
    r"ignor|disregard|forget|overr|bypass|supersed|prompt|instruction|system|assistant|developer|\bAI\b|LLM|model|chat"
    r"|gpt|you\s+are|act\s+as|pretend|behave|<!--",
    re.IGNORECASE,
)


def voices_of(about: Mapping[str, Any], passages: Sequence[Sequence[Any]]) -> tuple[tuple[int, Voice], ...]:
    """Return who says what in a chunk: (offset, voice), ascending, none for a page or a file.

    :param about: the document's metadata
    :param passages: [offset, marks] of what has an author of its own in the chunk, as the chunker writes them
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
    # A chunk that begins with a comment has nothing of the thread's own author.
    return tuple(voices[1:] if len(voices) > 1 and voices[1][0] == 0 else voices)


def thread_of(about: Mapping[str, Any]) -> Thread | None:
    """Return how a thread stands, from its document's metadata; None for a page or a file."""
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
    """Return whether somebody speaks for the project, or was accepted as the answer."""
    return voice.accepted or voice.association.lower() in MAINTAINERS


def trusted_at(result: SearchResult, offset: int) -> bool:
    """Return whether what stands at an offset of a chunk is the project's own word."""
    voice = result.voice_at(offset)
    return voice is None or is_trusted(voice)


def origin(voice: Voice) -> str:
    """Return who says it and when: "alice (maintainer), 2024-05-01"."""
    role = "accepted answer" if voice.accepted else "maintainer" if is_trusted(voice) else "user"
    return f"{voice.author} ({role}){', ' + voice.at[:10] if voice.at else ''}"


def verdict(thread: Thread | None) -> str | None:
    """Return what became of a thread, where that decides whether its text still holds."""
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


@lru_cache(maxsize=64)  # an answer asks three times: for its prompt or extracts, its check, and its quotes
def evidence(result: SearchResult) -> str:
    """Return a chunk's text without sentences that speak to language models; what answers are made from.

    Where a page has one that is plain, its other sentences are read as a stranger's are.
    """
    text = result.text
    if not (result.voices or _HINT.search(text) or not text.isascii()):
        return text
    text = _COMMENT.sub(lambda comment: " " * len(comment[0]), text)
    suspect = speaks_to_models(text, trusted=True)
    kept: list[str] = []
    offset = 0
    for part in _LINES.split(text):
        if speaks_to_models(part, trusted=not suspect and trusted_at(result, offset)):
            if not kept or kept[-1].strip() != OMITTED:
                kept.append(f" {OMITTED}" + ("\n" if part.endswith("\n") else ""))
        else:
            kept.append(part)
        offset += len(part)
    clean = "".join(kept)
    # What is cut into pieces that say nothing alone is still there as a whole.
    return clean if not speaks_to_models(" ".join(clean.split()), trusted=True) else OMITTED
