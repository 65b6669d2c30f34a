"""Gaps: questions that the docs do not answer, or not well, with an outline of what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.answer.answering import CLOSE
from rag.desk.report import Page
from rag.store.insights import AskedRow
from rag.text.lines import one_line

__all__ = ["better_page", "draft", "evaluation_row", "is_low", "nearest", "open_gaps", "unmet"]

# In days: a question of this age counts half.
_HALF_LIFE = 30.0
# The questions of an outline.
_SECTIONS = 5


def is_low(row: AskedRow) -> bool:
    """Return whether an answer was given, but only as the closest passage: it is more likely wrong than right."""
    return row.answered and row.score < CLOSE


def open_gaps(rows: Sequence[AskedRow]) -> list[AskedRow]:
    """Return the questions that were not answered well and have not been since.

    A question that was asked again and answered well is none; but an answer that a reader found wrong is only replaced
    by another text.

    :param rows: oldest first
    """
    good: dict[bytes, AskedRow] = {row.asked: row for row in rows if _is_good(row)}
    found = []
    for row in rows:
        later = good.get(row.asked)
        is_closed = later is not None and later.asked_at > row.asked_at and later.answer != row.answer
        if not _is_good(row) and not is_closed:
            found.append(row)
    return found


def _is_good(row: AskedRow) -> bool:
    """Return whether a question was answered well: as far as its score tells, unless the reader tells."""
    return row.answered and row.thumb != "down" and (row.thumb == "up" or not is_low(row))


def unmet(rows: Iterable[AskedRow], now: datetime) -> float:
    """Return how many who asked have no right answer, each counting half as much for each 30 days since.

    An answer with a low score may be right: it counts by the probability that it is wrong.
    """
    aged = (((now - row.asked_at).total_seconds() / 86_400, row) for row in rows)
    return float(sum(_wrong(row) * 0.5 ** (max(age, 0.0) / _HALF_LIFE) for age, row in aged))


def _wrong(row: AskedRow) -> float:
    """Return the probability that the answer to a question is not right."""
    return 1.0 if not row.answered or row.thumb == "down" else 1.0 - row.score


def nearest(rows: Iterable[AskedRow]) -> Page | None:
    """Return the page that most of the answers name first; None if none names any."""
    named = Counter(
        (row.page_url.partition("#")[0], row.page_title or row.page_url) for row in rows if row.page_url is not None
    )
    return Page(*named.most_common(1)[0][0]) if named else None


def better_page(rows: Iterable[AskedRow]) -> str | None:
    """Return the page that most readers say would have answered; None if none says any."""
    named = Counter(row.better_page for row in rows if row.better_page)
    return named.most_common(1)[0][0] if named else None


def draft(label: str, questions: Sequence[str], vectors: NDArray[np.float32], page: Page | None) -> str:
    """Return an outline of what is missing: a heading, and the questions that its text must answer.

    :param questions: in their wordings, the most asked first
    :param vectors: of the questions, shape (n, dimension)
    """
    title = label.replace(" · ", ", ")
    found = f"[{_link_text(page.title)}](<{page.url}>)" if page else ""
    # The nearest page of questions that no page answers is often about something else.
    where = f"Add this to {found}, if it is about the same, or to a page of its own." if found else ""
    lines = [f"## {title[:1].upper()}{title[1:]}", *(["", where] if where else [])]
    for place in _different(vectors):
        lines += ["", f"### {one_line(questions[place]).lstrip('# ')}", "", "…"]
    return "\n".join(lines)


def evaluation_row(name: str, question: str, better: str | None) -> dict[str, Any]:
    """Return a row for rag.evaluate, whose gold is unknown until the page is written, unless readers named it."""
    return {"id": f"gap-{name}", "query": question, "gold": [better] if better else None}


def _different(vectors: NDArray[np.float32]) -> list[int]:
    """Return the positions of the first vector and of those that differ most from the ones before, in order."""
    chosen = [0]
    similar = vectors @ vectors[0]
    while len(chosen) < min(_SECTIONS, len(vectors)):
        place = int(similar.argmin())
        if similar[place] > 0.9:  # another wording of one that is listed
            break
        chosen.append(place)
        similar = np.maximum(similar, vectors @ vectors[place])
    return sorted(chosen)


def _link_text(title: str) -> str:
    return title.replace("[", r"\[").replace("]", r"\]")
