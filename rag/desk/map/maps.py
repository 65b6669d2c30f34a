"""Maps: from the vectors of the index to a drawing, and the latest map for the web page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.desk.map.drawing import Drawing, Layout, Point, Question
from rag.desk.map.layout import METHODS, Method, available, laid_out
from rag.desk.map.regions import regions
from rag.desk.map.wordings import set_apart, wordings
from rag.errors import ConfigurationError
from rag.store.insights import AskedRow
from rag.store.maps import MapRow
from rag.store.store import Store
from rag.text.anchors import split_anchor
from rag.text.lines import one_line
from rag.text.reports import clean_body, clean_title, repeated_lines
from rag.trust.secrets import masked

if TYPE_CHECKING:
    from rag.desk.insights import Insights

__all__ = ["MOST_POINTS", "Maps"]

#: More would be neither readable nor a small file.
MOST_POINTS = 10_000
_MOST_QUESTIONS = 3_000
_LONGEST = 300
_ADDRESS = re.compile(r"https?://\S+")
_NAME = "index"
_THREADS = ("issue", "pull", "discussion")

Vectors = NDArray[np.float32]


class Maps:
    """Draws the active index.

    :param log_days: a kept map expires with the questions that it quotes
    """

    def __init__(self, store: Store, insights: Insights, *, log_days: int) -> None:
        self._store = store
        self._insights = insights
        self._log_days = log_days

    @property
    def best_method(self) -> Method:
        """UMAP if it is installed, else t-SNE, else PCA."""
        return next(method for method in METHODS if available(method))

    def draw(
        self,
        methods: Sequence[Method],
        *,
        source: str | None = None,
        by_chunk: bool = False,
        days: int = 30,
        with_questions: bool = True,
        most: int = MOST_POINTS,
    ) -> Drawing:
        """Return a drawing of the documents, or chunks, and of the questions of the last days.

        :param methods: one layout each
        :param source: only of this source
        :param most: points that are drawn; where there are more, the same are chosen each time
        :raises ConfigurationError: the index is empty, a method is not installed, or there is no such source
        """
        index = self._store.indexes.filled()
        if source is not None and not self._store.sources.exists(source):
            known = ", ".join(status.name for status in self._store.sources.status())
            raise ConfigurationError(f"No source called {source!r} has been ingested; there are: {known}.")
        if not 3 <= most <= MOST_POINTS:
            raise ConfigurationError(f"A map has 3 to {MOST_POINTS:,} points, not {most:,}.")
        read = self._store.maps.chunks if by_chunk else self._store.maps.documents
        rows = read(index, source=source, limit=most)
        cited = {document.id: document.answers for document in self._store.insights.cited(days)}
        asked = self._asked(days) if with_questions else []
        vectors = _vectors(rows, [vector for _, vector in asked])
        texts = _texts(rows)
        return Drawing(
            unit="chunks" if by_chunk else "documents",
            points=[_point(row, cited) for row in rows],
            all_points=self._store.maps.counts(index, source=source)[by_chunk],
            questions=[question for question, _ in asked],
            days=days,
            layouts=[_layout(vectors, texts, method) for method in dict.fromkeys(methods)],
        )

    def keep(self, data: bytes) -> None:
        """Keep the JSON of a map for the web page."""
        self._store.maps.keep(_NAME, gzip.compress(data))

    def kept(self) -> tuple[datetime, bytes] | None:
        """Return when the latest map was made, and its JSON; None if there is none."""
        found = self._store.maps.kept(_NAME, days=self._log_days)
        return (found[0], gzip.decompress(found[1])) if found else None

    def _asked(self, days: int) -> list[tuple[Question, Vectors]]:
        """Return the questions of the last days with their vectors, the most asked first."""
        rows = self._store.insights.asked(days)
        vectors = self._insights.vectors(rows)
        by_wording: dict[bytes, list[AskedRow]] = {}
        for row in rows:
            by_wording.setdefault(row.asked, []).append(row)
        found = [
            (Question(masked(one_line(same[-1].question))[:_LONGEST], same[-1].answered, len(same)), vectors[asked])
            for asked, same in by_wording.items()
            if asked in vectors
        ]
        return sorted(found, key=lambda one: -one[0].times)[:_MOST_QUESTIONS]


def _vectors(rows: Sequence[MapRow], questions: Sequence[Vectors]) -> Vectors:
    """Return the vectors of points and questions, of unit length, shape (n, dimension)."""
    stacked = np.stack([*(row.vector for row in rows), *questions])
    unit: Vectors = stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12)
    return unit


def _texts(rows: Sequence[MapRow]) -> list[str]:
    """Return what regions are labelled by: without addresses, and threads without the lines of their template."""
    repeated = repeated_lines(row.text for row in rows if row.kind in _THREADS)
    return [f"{clean_title(row.title)} {_first_lines(row, repeated)}" for row in rows]


def _first_lines(row: MapRow, repeated: frozenset[str]) -> str:
    text = clean_body(row.text, repeated) if row.kind in _THREADS else row.text
    return _ADDRESS.sub(" ", text)[:200]


def _layout(vectors: Vectors, texts: Sequence[str], method: Method) -> Layout:
    alike = wordings(vectors, len(texts))
    kept = np.flatnonzero(alike == np.arange(len(vectors)))
    places = laid_out(vectors[kept], method)[np.searchsorted(kept, alike)]
    found, region_of = regions(places[: len(texts)], texts)
    return Layout(METHODS[method], set_apart(places, alike), found, region_of)


def _point(row: MapRow, cited: dict[str, int]) -> Point:
    text = one_line(" ".join(split_anchor(line)[0] for line in row.text.split("\n")))
    return Point(row.url, row.title, row.source, row.kind, text[:_LONGEST], cited.get(row.document_id, 0))
