"""Insights: what people ask, what the docs lack, and which pages answer, from the answer log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.desk.clusters import central, clusters
from rag.desk.gaps import better_page, draft, evaluation_row, is_low, nearest, open_gaps, unmet
from rag.desk.labels import Labeller
from rag.desk.report import Asked, Gap, Report, Stale, Topic, Week
from rag.errors import ConfigurationError
from rag.store.answers import Asker
from rag.store.insights import AskedRow
from rag.store.store import Store
from rag.trust.secrets import masked

if TYPE_CHECKING:
    from rag.embedding.encoders import Encoders

__all__ = ["LONGEST", "Insights"]

#: In days, as RAG_LOG_DAYS.
LONGEST = 3650
_PAGES = 50
_MOST_STALE = 100
# In texts: what is embedded before it is kept.
_BATCH = 2048

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Wording:
    """One question as it is spelt, and every time it was asked; the latest last."""

    rows: list[AskedRow]
    vector: Vectors

    @property
    def text(self) -> str:
        return self.rows[-1].question


class Insights:
    """Reports over the answer log.

    :param model: the embedding model where there is no index
    """

    def __init__(self, store: Store, encoders: Encoders, *, model: str) -> None:
        self._store = store
        self._encoders = encoders
        self._model = model

    def report(self, *, days: int = 30, most: int = 20) -> Report:
        """Return what was asked in the last days, people and agents apart.

        :param most: topics and gaps that are listed
        :raises ConfigurationError: `days` or `most` is out of range
        """
        if not 1 <= days <= LONGEST:
            raise ConfigurationError(f"days is {days}; it must be from 1 to {LONGEST}.")
        if most < 1:
            raise ConfigurationError(f"most is {most}; it must be at least 1.")
        now = self._store.now()
        rows = [_without_secrets(row) for row in self._store.insights.asked(days)]
        vectors = self.vectors(rows)
        # The log may be younger than what was asked for, and rows of empty weeks tell nothing.
        weeks = _mondays(min((row.asked_at for row in rows), default=now), now)

        def asked(by: Asker) -> Asked:
            chosen = [row for row in rows if row.asker == by]
            return _Section(chosen, vectors, weeks, now).asked(most)

        return Report(
            days=days,
            people=asked("person"),
            agents=asked("agent"),
            cited=self._store.insights.cited(days, limit=_PAGES),
            never_cited=self._store.insights.uncited(days, limit=_PAGES),
            citation_counts=self._store.insights.citation_counts(days),
            stale=[
                Stale(
                    str(one.id), masked(one.question), one.asker, one.asked_at, one.stale_at, str(one.thread), one.link
                )
                for one in self._store.insights.stale(limit=_MOST_STALE)
            ],
        )

    def vectors(self, rows: Sequence[AskedRow]) -> dict[bytes, Vectors]:
        """Return the vector of each question by its digest; those that are not kept are embedded, and kept."""
        latest = {row.asked: row for row in rows}
        index = self._store.indexes.active()
        model = index.embedding_model if index else self._model
        kept = self._store.insights.vectors(model, [row.id for row in latest.values()])
        missing = [row for row in latest.values() if row.id not in kept]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            made = self._encoders.of(model).encode([row.question for row in batch])
            new = {row.id: vector for row, vector in zip(batch, made, strict=True) if not np.isnan(vector).any()}
            self._store.insights.keep_vectors(model, new)
            kept |= new
        return {asked: _unit(kept[row.id]) for asked, row in latest.items() if row.id in kept}


class _Section:
    """What people, or agents, asked."""

    def __init__(
        self, rows: Sequence[AskedRow], vectors: dict[bytes, Vectors], weeks: Sequence[date], now: datetime
    ) -> None:
        self._rows = rows
        self._vectors = vectors
        self._weeks = weeks
        self._now = now
        self._labeller = Labeller([wording.text for wording in self._wordings(rows)])

    def asked(self, most: int) -> Asked:
        rows = self._rows
        topics = [self._topic(group) for group in self._groups(rows)]
        gaps = sorted((self._gap(group) for group in self._groups(open_gaps(rows))), key=lambda gap: -gap.rank)
        return Asked(
            questions=len(rows),
            answered=_count(rows, lambda row: row.answered),
            abstained=_count(rows, lambda row: not row.answered),
            low_score=_count(rows, is_low),
            up=_count(rows, lambda row: row.thumb == "up"),
            down=_count(rows, lambda row: row.thumb == "down"),
            topics=tuple(topics[:most]),
            all_topics=len(topics),
            gaps=tuple(gaps[:most]),
            all_gaps=len(gaps),
            weeks=tuple(self._week(begins) for begins in self._weeks),
        )

    def _wordings(self, rows: Sequence[AskedRow]) -> list[_Wording]:
        """Return the questions by their wording, the most asked first."""
        by_wording: dict[bytes, list[AskedRow]] = {}
        for row in rows:
            by_wording.setdefault(row.asked, []).append(row)
        found = [_Wording(same, self._vectors[asked]) for asked, same in by_wording.items() if asked in self._vectors]
        return sorted(found, key=lambda wording: -len(wording.rows))

    def _groups(self, rows: Sequence[AskedRow]) -> list[list[_Wording]]:
        """Return the wordings of questions that ask for the same, the most asked group first."""
        wordings = self._wordings(rows)
        if not wordings:
            return []
        weights = np.array([len(wording.rows) for wording in wordings], dtype=np.float32)
        groups: dict[int, list[_Wording]] = {}
        for place, label in enumerate(clusters(np.stack([wording.vector for wording in wordings]), weights).tolist()):
            groups.setdefault(label if label >= 0 else ~place, []).append(wordings[place])
        return sorted(groups.values(), key=lambda group: -sum(len(wording.rows) for wording in group))

    def _topic(self, group: Sequence[_Wording]) -> Topic:
        rows = _rows_of(group)
        scores = [row.score for row in rows if row.answered]
        weeks = [_monday(row.asked_at) for row in rows]
        return Topic(
            label=self._label(group),
            example=_example(group).text,
            times=len(rows),
            wordings=len(group),
            abstained=_count(rows, lambda row: not row.answered),
            score=sum(scores) / len(scores) if scores else None,
            down=_count(rows, lambda row: row.thumb == "down"),
            weeks=tuple(weeks.count(begins) for begins in self._weeks),
            last_asked=max(row.asked_at for row in rows),
        )

    def _gap(self, group: Sequence[_Wording]) -> Gap:
        rows = _rows_of(group)
        label, example, better = self._label(group), _example(group), better_page(rows)
        ordered = [example, *(wording for wording in group if wording is not example)]
        page = nearest(rows)
        return Gap(
            label=label,
            example=example.text,
            times=len(rows),
            abstained=_count(rows, lambda row: not row.answered),
            low_score=_count(rows, is_low),
            down=_count(rows, lambda row: row.thumb == "down"),
            last_asked=max(row.asked_at for row in rows),
            rank=unmet(rows, self._now),
            nearest=page,
            better_page=better,
            draft=draft(label, [one.text for one in ordered], np.stack([one.vector for one in ordered]), page),
            row=evaluation_row(sha256(example.rows[0].asked).hexdigest()[:12], example.text, better),
        )

    def _label(self, group: Sequence[_Wording]) -> str:
        return self._labeller.label([wording.text for wording in group])

    def _week(self, begins: date) -> Week:
        rows = [row for row in self._rows if _monday(row.asked_at) == begins]
        return Week(
            begins,
            len(rows),
            _count(rows, lambda row: not row.answered),
            _count(rows, is_low),
            _count(rows, lambda row: row.thumb == "up"),
            _count(rows, lambda row: row.thumb == "down"),
        )


def _rows_of(group: Sequence[_Wording]) -> list[AskedRow]:
    return [row for wording in group for row in wording.rows]


def _example(group: Sequence[_Wording]) -> _Wording:
    weights = np.array([len(wording.rows) for wording in group], dtype=np.float32)
    return group[central(np.stack([wording.vector for wording in group]), weights)]


def _count(rows: Sequence[AskedRow], holds: Callable[[AskedRow], bool]) -> int:
    return sum(1 for row in rows if holds(row))


def _without_secrets(row: AskedRow) -> AskedRow:
    """Return a question without secrets that an earlier version of the program may have logged."""
    return replace(row, question=masked(row.question), better_page=row.better_page and masked(row.better_page))


def _monday(at: datetime) -> date:
    day = at.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def _mondays(since: datetime, until: datetime) -> list[date]:
    first, last = _monday(since), _monday(until)
    return [first + timedelta(weeks=week) for week in range((last - first).days // 7 + 1)]


def _unit(vector: Vectors) -> Vectors:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
