"""How many turns of a conversation are answered right: `python -m bench conversations --home FOLDER`.

Goes through the conversations of bench/data/conversations.jsonl over the manuals that `python -m bench answers` reads,
without a language model unless RAG_LLM names one, and prints the share of right answers to the first, second and third
question of each. A conversation has three turns; the history of a turn is what the engine answered before. `--check` looks the facts up
instead: each must stand in a gold page of its question. Missing manuals are skipped with a message.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

from lxml import html

from bench.answers.sets import Corpus, Half, opened, present
from bench.paths import DATA
from bench.report import Table
from rag.answer.answer import Turn
from rag.engine import Engine
from rag.evaluate import Query, read_queries
from rag.evaluate.facts import Outcome, judged

__all__ = ["CONVERSATIONS", "conversations", "half_of_conversation", "main", "missing", "outcomes"]

#: The turns, each a query with facts; the id is that of its conversation, a slash and the number of the turn.
CONVERSATIONS = DATA / "conversations.jsonl"
_TURNS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table: a row for each manual, and one for all."""
    parser = argparse.ArgumentParser(
        prog="python -m bench conversations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="keep the indexes in this folder, and reuse existing ones")
    parser.add_argument("--half", choices=["look", "decide"], help="only this half of the conversations")
    parser.add_argument("--list", action="store_true", help="print the outcome of each turn to standard error")
    parser.add_argument("--check", action="store_true", help="only list the facts that no gold page holds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    table = Table("Conversations", ["corpus", "conversations", "first right", "second right", "third right"])
    found: list[list[Outcome]] = []
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        for corpus in present():
            asked = [one for one in conversations(corpus) if options.half in (None, half_of_conversation(one))]
            if not asked:
                continue
            if options.check:
                print("".join(f"{line}\n" for one in asked for query in one for line in missing(corpus, query)), end="")
                continue
            with opened(corpus, options.home or Path(folder)) as engine:
                here = [outcomes(engine, one) for one in asked]
            table.add(corpus.name, *_figures(here))
            found += here
            if options.list:
                for turns, results in zip(asked, here, strict=True):
                    for query, outcome in zip(turns, results, strict=True):
                        sys.stderr.write(f"{query.id}: {outcome}: {query.text}\n")
    if options.check:
        return
    table.add("all", *_figures(found))
    print(json.dumps(table.json(), indent=2) if options.json else table.markdown())


def conversations(corpus: Corpus) -> Iterator[list[Query]]:
    """Yield the conversations about a manual."""
    lines = CONVERSATIONS.read_text(encoding="utf-8").splitlines()
    names = [json.loads(line)["corpus"] for line in lines if line]
    turns = [query for name, query in zip(names, read_queries(CONVERSATIONS), strict=True) if name == corpus.name]
    for _, conversation in groupby(turns, key=_name):
        yield list(conversation)


def half_of_conversation(turns: Sequence[Query]) -> Half:
    """Return the half that a conversation belongs to."""
    return "decide" if int(hashlib.sha256(_name(turns[0]).encode()).hexdigest(), 16) % 2 else "look"


def outcomes(engine: Engine, turns: Sequence[Query]) -> list[Outcome]:
    """Ask the questions of a conversation one after the other; return what became of each."""
    answerer = engine.questions.answerer()
    history: list[Turn] = []
    found: list[Outcome] = []
    for query in turns:
        answer = answerer.answer(query.text, history=history)
        found.append(judged(answer.answer, query.facts, query.wrong) if answer.answered else "abstained")
        history.append(answer.turn)
    return found


def missing(corpus: Corpus, query: Query) -> Iterator[str]:
    """Yield the facts of a question that no gold page holds, and those that the question itself holds."""
    assert corpus.folder is not None
    pages = [html.parse(corpus.folder / page).getroot().text_content() for page in query.gold or ()]
    for fact in chain.from_iterable(query.facts):
        if not any(judged(page, [[fact]]) == "right" for page in pages):
            yield f"{query.id}: no gold page holds {fact!r}"
        if judged(query.text, [[fact]]) == "right":
            yield f"{query.id}: the question holds {fact!r}"


def _name(query: Query) -> str:
    return query.id.partition("/")[0]


def _figures(found: Sequence[Sequence[Outcome]]) -> list[float | None]:
    right = [sum(one[turn] == "right" for one in found) for turn in range(_TURNS)]
    return [len(found), *(count / len(found) if found else None for count in right)]
