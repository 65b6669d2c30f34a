"""The check of what a language model writes: each part is shown as far as the chunks that it cites support it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rag.answer.draft import Draft
from rag.answer.written.declining import is_no_answer, may_decline, without_declining
from rag.answer.written.grounding import GroundingChecker
from rag.answer.written.part import Part
from rag.text.blocks import MARKDOWN, open_fence
from rag.text.citation_forms import normalized, without_references
from rag.text.citations import MARKERS, cited, keep_known_links, sanitized

__all__ = ["checked"]


def checked(parts: Iterable[Part], checker: GroundingChecker, draft: Draft) -> Iterator[Part]:
    """Yield each part with its supported text; one without markers is checked against its neighbours' chunks."""
    known = range(1, len(draft.results) + 1)
    # What the block before this one cites, this block so far, and the last part of it that cites anything.
    before: list[int] = []
    own: list[int] = []
    last: list[int] = []
    waiting: list[Part] = []
    for part in parts:
        if part.joint is None:
            before, own, last = own or before, [], []
        if is_no_answer(part.text):
            draft.is_declined = True
            break
        text, declined = without_declining(_unfenced(part.text))
        draft.is_declined = draft.is_declined or (declined and part.joint is None)
        text = sanitized(without_references(normalized(text, known)))
        part = replace(part, text=keep_known_links(text, checker.known.allows))
        last = cited(part.text, known) or last
        own += last
        if not own and not before:
            waiting.append(part)
            continue
        for unchecked in [*waiting, part]:
            near = {None: before or own, "\n": own}.get(unchecked.joint, last)
            yield _supported(unchecked, checker, near, draft)
        waiting.clear()
    for part in waiting:  # nothing was cited: only what stands in a source is kept
        yield _supported(part, checker, (), draft)


def _unfenced(block: str) -> str:
    """Return the text of a block that is fenced as Markdown: some models fence the answer behind a preamble."""
    fence = open_fence(block)
    if fence is None or fence.info.lower() not in MARKDOWN or not MARKERS.search(block):
        return block
    _, *lines = block.split("\n")
    return "\n".join(line for line in lines if line.strip() and not fence.is_closed_by(line))


def _supported(part: Part, checker: GroundingChecker, before: Sequence[int], draft: Draft) -> Part:
    """Return a part with the text that its chunks support; parts of an open block need no marker of their own."""
    text = checker.check(part.text, before, draft.numbers, goes_on=draft.is_open) if part.text else ""
    if not text and part.joint is None and may_decline(part.text) and not checker.invents(part.text):
        draft.is_declined = True
    return replace(part, text=text)
