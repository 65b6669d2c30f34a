"""An answer, its citations, and the turns of a conversation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rag.llm.tokens import Usage

__all__ = ["Answer", "Citation", "Note", "OtherVersion", "Turn", "pages_of"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a conversation, and its answer."""

    question: str
    #: empty if the sources did not answer it
    answer: str = ""
    #: the URLs of the pages that it cites, without fragments
    pages: tuple[str, ...] = ()


def pages_of(urls: Iterable[str]) -> tuple[str, ...]:
    """Return URLs without their fragments, each once."""
    return tuple(dict.fromkeys(url.partition("#")[0] for url in urls))


class Note(str):
    """A piece of a streamed answer that says what became of the language model's; it may name a setting."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of an answer: marker [n], a link, and a quote that stands verbatim in the retrieved chunk."""

    n: int
    url: str
    title: str
    source: str
    kind: str
    score: float
    quote: str
    #: the chunk's node id
    chunk_id: str = ""
    #: the URL with a text fragment, at which a browser opens the page with the quote in view
    link: str = ""
    #: who says it and when, such as "alice (maintainer), 2024-05-01"; None for a page or a file
    said_by: str | None = None
    #: what became of the thread where that decides: "fixed by #12, merged on 2024-05-01"
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.ask --json` prints for a source; who says it and what became of it, if known."""
        keys = ("n", "url", "title", "source", "kind", "score", "quote")
        said = {key: value for key in ("said_by", "note") if (value := getattr(self, key)) is not None}
        return {**{key: getattr(self, key) for key in keys}, **said}


@dataclass(frozen=True, slots=True)
class OtherVersion:
    """What another version says: a link, and a quote that stands verbatim in its page."""

    version: str
    url: str
    quote: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. Where `answered` is false, the sources do not say, and `sources` are the nearest pages."""

    question: str
    answered: bool
    answer: str
    sources: tuple[Citation, ...]
    embedding_model: str
    llm: str
    timings: dict[str, float] = field(default_factory=dict)
    #: how likely the answer is right, in [0, 1]
    score: float = 0.0
    #: None where no language model was asked
    usage: Usage | None = None
    #: under which it is logged; None if it is not
    id: str | None = None
    #: the last sentence of `answer`, where the language model failed or wrote nothing that holds
    note: str | None = None
    #: the version of the software that it is about; None where the sources have none, or several products
    version: str | None = None
    #: other versions whose pages say something else, or say it instead
    other_versions: tuple[OtherVersion, ...] = ()

    @property
    def turn(self) -> Turn:
        """The answer as a turn of its conversation."""
        if not self.answered:
            return Turn(self.question)
        return Turn(self.question, self.answer, pages_of(source.url for source in self.sources))

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.ask --json` prints; with a language model, what it cost and why it failed."""
        usage = {} if self.usage is None else {"usage": asdict(self.usage)}
        note = {} if self.note is None else {"note": self.note}
        version: dict[str, Any] = {} if self.version is None else {"version": self.version}
        if self.other_versions:
            version["other_versions"] = [asdict(other) for other in self.other_versions]
        return {
            "question": self.question,
            "answered": self.answered,
            "answer": self.answer,
            "sources": [source.to_json() for source in self.sources],
            "model": {"embedding": self.embedding_model, "llm": self.llm},
            "timings": self.timings,
            "score": self.score,
            **usage,
            **note,
            **version,
        }
