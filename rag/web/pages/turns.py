"""Turns: a question, its answer and its sources, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import urlencode
from uuid import UUID

from rag.answer.answer import Answer, Citation
from rag.operate.answer_log import LoggedAnswer
from rag.service import Service
from rag.text.urls import is_web_url
from rag.web.pages.markup import render_answer, render_text

__all__ = ["Shown", "Turn", "earlier_turns", "turn_of"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A source as the page shows it."""

    citation: Citation
    #: the address that opens it: its own, with the quote in view, or for a file of this machine a page of this site
    address: str
    quote: str
    #: the passage that holds the quote, as HTML
    place: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer."""

    answer: Answer
    html: str
    sources: Sequence[Shown]
    #: begins the ids of the turn's sources
    prefix: str
    #: the log entry, if the answer was read from the log
    logged: LoggedAnswer | None = None

    @property
    def note(self) -> str | None:
        """What became of the language model's answer, without the reason, which is the operator's business."""
        if self.answer.note is None:
            return None
        return f"The language model does not answer at the moment. {self.answer.note.partition(', because ')[0]}."

    @property
    def likelihood(self) -> str | None:
        """How likely the answer is right, in words."""
        return f"Likelihood that this answer is right: {self.answer.score:.0%}" if self.answer.answered else None


def turn_of(service: Service, answer: Answer, *, is_first: bool, logged: LoggedAnswer | None = None) -> Turn:
    """Return an answer as a turn.

    :param is_first: whether no turn comes before it; a later turn's ids name its answer
    """
    prefix = "" if is_first or not answer.id else f"a{answer.id[:8]}-"
    texts = service.passages([source.chunk_id for source in answer.sources if source.chunk_id])
    shown = [_shown(source, texts.get(source.chunk_id, "")) for source in answer.sources]
    bare = replace(answer, answer=answer.answer.removesuffix(answer.note or "").rstrip())
    return Turn(answer, render_answer(bare, prefix=prefix), shown, prefix, logged)


def earlier_turns(service: Service, thread: str | UUID, *, before: str | None) -> list[Turn]:
    """Return the latest turns of a conversation before an answer, oldest first; all if `before` is None."""
    entries = [entry for entry in service.conversation(thread, until=before) if entry.answer.id != before]
    return [turn_of(service, entry.answer, is_first=place == 0, logged=entry) for place, entry in enumerate(entries)]


def _shown(source: Citation, text: str) -> Shown:
    own = source.link or source.url
    address = own if is_web_url(source.url) else f"/document?{urlencode({'url': source.url})}"
    heading, _, passage = text.partition("\n")
    place = (f"<p><b>{escape(heading)}</b></p>" if heading else "") + render_text(passage, quote=source.quote)
    return Shown(source, address, render_text(source.quote), place if text else "")
