"""Read: a document as Markdown for readers, without the marks that the chunker reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rag.store.documents import DocumentRow, Section
from rag.text.anchors import split_anchor

__all__ = ["Reading", "reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A document, whole and in chunks."""

    id: str
    url: str
    title: str
    source: str
    kind: str
    markdown: str
    chunks: tuple[Section, ...]
    #: where in the Markdown the place begins that was asked for, in characters
    start: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the shape of /api/v1/documents."""
        names = ("id", "url", "title", "source", "kind", "markdown")
        return {**{name: getattr(self, name) for name in names}, "chunks": [asdict(chunk) for chunk in self.chunks]}


def reading(row: DocumentRow, sections: Sequence[Section], *, fragment: str = "") -> Reading:
    """Return a stored document for reading.

    :param fragment: the place that is asked for
    """
    lines: list[str] = []
    start = length = 0
    for line in row.text.split("\n"):
        bare, anchor = split_anchor(line)
        if fragment and anchor and anchor.fragment == fragment:
            start = length
        lines.append(bare)
        length += len(bare) + 1
    return Reading(row.id, row.url, row.title, row.source, row.kind, "\n".join(lines), tuple(sections), start)
