"""Triage of a source: verdicts on its issues, the replay of its history, and its backlog."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.triage.candidates.ranking import Ranker
from rag.triage.candidates.weights import shipped_model, small_model
from rag.triage.history import Issue
from rag.triage.issues import ranker_of
from rag.triage.model.logit import Model
from rag.triage.replaying.promise import none_promised
from rag.triage.replaying.replay import FEWEST_DUPLICATES, Replay, replayed
from rag.triage.verdict import Candidate, Verdict, candidates, links

__all__ = ["Triage"]

# With fewer issues, a repository is like those that the small model was fitted on.
_FEW = 300
_NOT_REPLAYED = "the history was not replayed yet: run python -m rag.triage --replay"


class Triage:
    """Finds the threads that report the same problem as an issue of one GitHub source.

    :param source: the name of the source, whose issues are read from the database
    :raises ConfigurationError: no such GitHub source was synced
    """

    def __init__(self, engine: Engine, source: str) -> None:
        self._engine = engine
        self._store = engine.triage_records
        self.source = source
        self.ranker: Ranker = ranker_of(engine, source)
        self._releases = self._store.releases(source)

    @cached_property
    def calibration(self) -> Mapping[str, Any] | None:
        """What the last replay taught; None before the first."""
        known = self._store.calibration(self.source)
        return known.report if known else None

    @property
    def threshold(self) -> float | None:
        """The probability from which on something may be said in public; None: never."""
        found = self.calibration["threshold"] if self.calibration is not None else None
        return None if found is None else float(found)

    def numbers(self, *, since: float) -> list[int]:
        """Return the numbers of the open issues that were opened at this time (seconds since 1970) or later."""
        return [one.number for one in self.ranker.corpus.issues if one.opened >= since and one.closed is None]

    def has(self, number: int) -> bool:
        """Return whether the source has an issue of this number."""
        return self.ranker.corpus.place(number) is not None

    def body(self, number: int) -> str:
        """Return the body of an issue without its template; empty if there is no such issue."""
        place = self.ranker.corpus.place(number)
        return "" if place is None else self.ranker.corpus.reports[place].body

    def of_number(self, number: int, *, most: int = 10, as_opened: bool = False) -> Verdict:
        """Return the verdict on a filed issue, which is compared with those opened before it.

        :param most: the most candidates
        :param as_opened: by what was known when it was opened, instead of now
        :raises ConfigurationError: the source has no such issue
        """
        place = self.ranker.corpus.place(number)
        if place is None:
            raise ConfigurationError(f"{self.source} has no issue #{number}. Sync it, or give its --title and --body.")
        issue = self.ranker.corpus.issues[place]
        return self._verdict(issue, place, issue.opened if as_opened else time.time(), most)

    def of_text(self, title: str, body: str, *, most: int = 10) -> Verdict:
        """Return the verdict on an issue that is not filed yet."""
        if not f"{title}{body}".strip():
            raise ConfigurationError("The issue has neither a title nor a body.")
        now = time.time()
        return self._verdict(Issue(0, title, body, "", "", now), None, now, most)

    def replay(
        self,
        *,
        floor: float,
        until: float | None = None,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Replay:
        """Go over the history, and keep what it taught unless only a part was asked for.

        :param floor: the least precision at which something may be said in public, in [0, 1]
        :param until: use only issues opened before this time, in seconds since 1970; nothing is kept then
        """
        found = replayed(self.ranker, self._shipped, floor=floor, until=until, progress=progress)
        if until is None:
            self._store.put_calibration(self.source, {**found.to_json(), "model": found.model.to_json()})
            self.__dict__.pop("calibration", None)
        return found

    def likely(self, issue: Issue, place: int | None, at: float) -> list[Candidate]:
        """Return the threads that may report the same problem as an issue, best first.

        :param place: of the issue in the corpus; None: it is not there
        """
        scored = self.ranker.compared(issue, place=place)
        ranked = self.ranker.ranked(scored, self._model, issue.opened if place is None else at)
        others = [one for one in ranked if one.number != issue.number]
        return candidates(others, self.ranker.history, at, self.threshold, self._releases)

    def _verdict(self, issue: Issue, place: int | None, at: float, most: int) -> Verdict:
        shown = self.likely(issue, place, at)
        linked, silent = self._public(issue, place, shown)
        return Verdict(
            issue.number or None, issue.title, issue.url or None, issue.opened, tuple(shown[:most]), linked, silent
        )

    def _public(
        self, issue: Issue, place: int | None, shown: Sequence[Candidate]
    ) -> tuple[tuple[Candidate, ...], str | None]:
        """Return the links that may be said in public, and if there are none, why."""
        threshold = self.threshold
        if self.calibration is None:
            return (), _NOT_REPLAYED
        if threshold is None:
            known = self.calibration
            because = known.get("silent_because") or none_promised(known["floor"])
            return (), f"{because} (the history of {self.source})"
        upto = self.ranker.corpus.before(issue.opened) if place is None else place
        if issue.is_bot or self.ranker.corpus.is_sub_task(issue.author, issue.title, upto):
            return (), "it is one of a series that its author opened from a template"
        linked = links(shown, threshold)
        return linked, None if linked else f"no open, fixed or answered thread is as likely as {threshold:g}"

    @cached_property
    def _model(self) -> Model:
        return Model.from_json(self.calibration["model"]) if self.calibration else self._shipped

    @property
    def _shipped(self) -> Model:
        """The model to start from: a repository with few issues is like those that the small model was fitted on."""
        is_small = len(self.ranker.corpus) < _FEW and len(self.ranker.history.duplicates()) < FEWEST_DUPLICATES
        return small_model() if is_small else shipped_model()
