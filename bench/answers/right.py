"""How many answers are right: `python -m bench answers`.

Answers the questions of ../shared/data/answers over their corpora, without a language model unless RAG_LLM names one, and
prints the share of answers that are right, partly right and wrong, of near-misses that are declined, and how well the
score of an answer predicts that it is right. Missing corpora are skipped with a message.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.answers.sets import CORPORA, UNSEEN, chosen, opened
from bench.report import Table
from rag.answer.answer import Answer
from rag.engine import Engine
from rag.evaluate import Query
from rag.evaluate.answers import auroc
from rag.evaluate.facts import Outcome, first_is_gold, judged

__all__ = ["Judged", "expected_calibration_error", "main", "reliability"]


@dataclass(frozen=True)
class Judged:
    """An answer, and its outcome; a near-miss has none."""

    query: Query
    answer: Answer
    outcome: Outcome | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table with a row for each corpus and one for all, and how the scores agree with what is right."""
    parser = argparse.ArgumentParser(
        prog="python -m bench answers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="keep the indexes in this folder, and reuse existing ones")
    parser.add_argument("--half", choices=["look", "decide"], help="only this half of the questions")
    parser.add_argument(
        "--corpus", action="append", choices=[corpus.name for corpus in (*CORPORA, *UNSEEN)], help="only these"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    table = Table(
        "Answers",
        ["corpus", "questions", "right", "partly", "wrong, of answered", "answered", "near-misses declined", "AUROC",
         "first source gold", "words of right", "calibration error"],
    )  # fmt: skip
    found: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        for corpus, asked in chosen(options.corpus, options.half):
            with opened(corpus, options.home or Path(folder)) as engine:
                judged_here = [judge(engine, query) for query in asked]
            table.add(corpus.name, *_figures(judged_here))
            found += judged_here
    table.add("all", *_figures(found))
    by_score = reliability(found)
    if options.json:
        print(json.dumps([table.json(), by_score.json()], indent=2))
    else:
        print(f"{table.markdown()}\n\n{by_score.markdown()}")


def reliability(found: Sequence[Judged], *, bins: int = 10) -> Table:
    """Return the share of right answers by score: a row for each bin that has answers, near-misses among them."""
    table = Table("Right answers by score", ["score from", "answers", "mean score", "right"])
    answered = [one for one in found if one.answer.answered]
    for place in range(bins):
        part = [one for one in answered if min(int(one.answer.score * bins), bins - 1) == place]
        if part:
            scores = [one.answer.score for one in part]
            table.add(place / bins, len(part), float(np.mean(scores)), _share(sum(map(_is_right, part)), len(part)))
    return table


def _is_right(one: Judged) -> bool:
    return one.outcome == "right"


def judge(engine: Engine, query: Query) -> Judged:
    """Return the answer to a question and its outcome."""
    answer = engine.questions.answerer().answer(query.text)
    if not query.facts:
        return Judged(query, answer, None)
    return Judged(query, answer, judged(answer.answer, query.facts, query.wrong) if answer.answered else "abstained")


def _figures(found: Sequence[Judged]) -> list[float | None]:
    questions = [one for one in found if one.outcome]
    near = [one for one in found if not one.outcome]
    answered = [one for one in questions if one.answer.answered]
    right = [one for one in questions if one.outcome == "right"]
    first = [first_is_gold([source.url for source in one.answer.sources], one.query.gold or ()) for one in answered]
    return [
        len(questions),
        _share(len(right), len(questions)),
        _share(sum(one.outcome == "partly" for one in questions), len(questions)),
        _share(sum(one.outcome == "wrong" for one in questions), len(answered)),
        _share(len(answered), len(questions)),
        _share(sum(not one.answer.answered for one in near), len(near)),
        auroc([one.answer.score for one in questions], [one.answer.score for one in near]),
        _share(sum(first), len(first)),
        float(np.median([len(one.answer.answer.split()) for one in right])) if right else None,
        expected_calibration_error(
            [one.answer.score for one in found if one.answer.answered],
            [one.outcome == "right" for one in found if one.answer.answered],
        ),
    ]


def expected_calibration_error(scores: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float | None:
    """Return the mean distance between score and share of right answers over bins of the score; None without answers."""
    if not scores:
        return None
    values, hits = np.asarray(scores), np.asarray(right, float)
    places = np.minimum((values * bins).astype(int), bins - 1)
    parts = [places == number for number in range(bins)]
    return float(sum(abs(values[part].sum() - hits[part].sum()) for part in parts) / len(values))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
