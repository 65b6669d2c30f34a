"""What a language model reads, and what becomes of its reply: `python -m bench contexts --home FOLDER`.

Asks the questions of ../shared/data/answers of a scripted server that repeats a part of the given context: the first
source, or the source that holds most facts, which is what an ideal model would pick. Prints how often the context holds
all facts of a question, and how often the repeated text is right after the checks of the answer.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.answers.sets import CORPORA, UNSEEN, Corpus, chosen, opened
from bench.report import Table
from rag.evaluate import Query
from rag.evaluate.facts import judged
from tests.servers.openai import Messages, OpenAIServer

__all__ = ["main"]

_SOURCE = re.compile(r"\[(\d+)\] \w+: [^\n]*\n\n(.*?)(?=\n\n\[\d+\] \w+: |\n\nQuestion: )", re.DOTALL)
_MARK = re.compile(r"<</?untrusted \w+>>\n?")
_COLUMNS = ["corpus", "questions", "context holds all facts", "words of the context", "first source: right", "answered",
            "best source: right", "near-misses declined"]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table: a row for each corpus, and one for all."""
    parser = argparse.ArgumentParser(prog="python -m bench contexts", description=__doc__)
    parser.add_argument("--home", type=Path, help="keep the indexes in this folder, and reuse existing ones")
    parser.add_argument("--half", choices=["look", "decide"], help="only this half of the questions")
    parser.add_argument(
        "--corpus", action="append", choices=[corpus.name for corpus in (*CORPORA, *UNSEEN)], help="only these"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    table = Table("Contexts", _COLUMNS)
    rows: list[_Row] = []
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        for corpus, asked in chosen(options.corpus, options.half):
            here = _asked(corpus, asked, options.home or Path(folder))
            table.add(corpus.name, *_figures(here))
            rows += here
    table.add("all", *_figures(rows))
    print(json.dumps(table.json(), indent=2) if options.json else table.markdown())


@dataclass(frozen=True)
class _Row:
    """What became of a question; a near-miss has no facts."""

    query: Query
    #: what the server was given; empty if it was not asked
    context: str
    #: the answers with which the first and the best source are repeated, empty if there is none
    first: str
    best: str


def _asked(corpus: Corpus, asked: Sequence[Query], home: Path) -> list[_Row]:
    """Ask each question once for each reply."""
    replies: dict[str, Callable[[Query], Callable[[Messages], str]]] = {"first": _first, "best": _best}
    with OpenAIServer() as server:
        keys = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url, "RAG_LLM": "openai/gpt-4o-mini"}
        with opened(corpus, home, **keys) as engine:
            answerer = engine.questions.answerer()
            rows = []
            for query in asked:
                answers = {}
                before = len(server.requests)
                for name, reply in replies.items():
                    server.answer = reply(query)
                    answer = answerer.answer(query.text)
                    answers[name] = answer.answer if answer.answered else ""
                given = server.requests[before:]
                context = str(given[0].body["messages"][-1]["content"]) if given else ""
                rows.append(_Row(query, context, **answers))
    return rows


def _first(_: Query) -> Callable[[Messages], str]:
    return lambda messages: _repeated(next(_sources(messages)))


def _best(query: Query) -> Callable[[Messages], str]:
    return lambda messages: _repeated(max(_sources(messages), key=lambda source: _share(query, source[1])))


def _share(query: Query, text: str) -> float:
    return float(np.mean([judged(text, [fact]) == "right" for fact in query.facts])) if query.facts else 0.0


def _sources(messages: Messages) -> Iterator[tuple[str, str]]:
    """Yield the number and the text of each source of a prompt."""
    for number, text in _SOURCE.findall(messages[-1]["content"]):
        yield number, _MARK.sub("", text).strip()


def _repeated(source: tuple[str, str]) -> str:
    """Return the text of a source with its marker behind each paragraph that can have one."""
    number, text = source
    return "\n\n".join(part if part.endswith(("```", "|")) else f"{part} [{number}]" for part in text.split("\n\n"))


def _figures(rows: Sequence[_Row]) -> list[float | None]:
    questions = [row for row in rows if row.query.facts]
    near = [row for row in rows if not row.query.facts]

    def right(texts: Sequence[str]) -> float:
        held = [
            bool(text) and judged(text, row.query.facts) == "right" for text, row in zip(texts, questions, strict=True)
        ]
        return float(np.mean(held))

    return [
        len(questions),
        right([row.context for row in questions]),
        float(np.median([len(row.context.split()) for row in questions])),
        right([row.first for row in questions]),
        float(np.mean([bool(row.first) for row in questions])),
        right([row.best for row in questions]),
        float(np.mean([not row.first for row in near])) if near else None,
    ]
