"""Talk: comments that say nothing but how the work on a thread goes, such as "LGTM" or "@ann, can you rebase this?"."""

from __future__ import annotations

import re

from rag.answer.extracts.passages import Passage
from rag.text.words import words

__all__ = ["asks_for_outcome", "is_talk"]

# Names of people, references to threads and commits, and addresses.
_REFERENCE = re.compile(r"@[\w-]+|(?:(?<![\w./-])[\w.-]+/[\w.-]+)?#\d+|https?://\S+|\b[0-9a-f]{7,40}\b")
_OF_WORK = words(
    """
    lgtm sgtm wfm based say says said sounds looks look good great nice fine ok okay yes yeah yep no sure agree
    agreed agreement disagree thanks thank cheers regards hello hi done close closed closes closing addressed
    addresses fixed fixes fix resolve resolved resolves merge merged merging land landed landing rebase rebased
    rebasing pr prs pull request requests issue issues comment comments commit committed pushed discussion discussed
    discuss ping thoughts thought think wdyt opinion opinions objection objections consensus feedback review
    reviewed reviewing approve approved update updated change changes suggestion suggestions suggested please reopen
    open opened file filed duplicate dupe superseded obsolete moot conflict conflicts green ship cc fyi fwiw
    everyone folks sorry oops typo typos nit nits want wanted need make made makes sense ready go going ahead today
    call meeting interim soon later bit let leave keep point points text happy here there thing things way get got
    see take took still believe guess seems seem feel free mind lot list mailing really know apply applied separate
    editorial wording write writing wrote writes written up works work
    """
)
_OUTCOME = re.compile(
    r"\bwhat (?:became|came|happened)\b|\bhow did (?:it|that|this) (?:end|go|turn out|get in)\b"
    r"|\bwhere did they leave\b"
    r"|\b(?:what|how) (?:was|were|is|did|has|have)\b.{0,60}?\b(?:decided|agreed|concluded|resolved|become|happen(?:ed)?"
    r"|sa(?:y|id)|answer(?:ed)?|changed?|outcome|end(?:ed)?)\b"
    r"|\b(?:consensus|decision|decided|conclusion|outcome|verdict|status|adopted|accepted|rejected|merged|approved|landed"
    r"|resolved|still open|was .{1,60} (?:added|removed|dropped|fixed|solved|reverted))\b"
    r"|\bdid (?:it|they|we|that|this)\b|\bdid .{1,60} make it\b|\bis (?:it|that|this) (?:solved|fixed)\b"
    r"|\b(?:will|when) .{1,60} (?:go|fixed|solved|merged|released|added|removed|dropped)\b",
    re.I,
)


def asks_for_outcome(question: str) -> bool:
    """Return whether a question asks what became of something, which talk may answer: "Closing, fixed by #12"."""
    return bool(_OUTCOME.search(question))


def is_talk(passage: Passage) -> bool:
    """Return whether a passage of a thread has no words but those of the work on it."""
    if passage.result.thread is None or passage.code:
        return False
    return words(_REFERENCE.sub(" ", passage.text)) <= _OF_WORK
