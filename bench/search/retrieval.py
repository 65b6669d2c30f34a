"""Retrieval quality on real corpora, compared with other projects: `python -m bench retrieval`.

Ingests the PostgreSQL 15 manual (Debian's postgresql-doc-15, served on loopback), the issues of tls13-spec (from a simulated
GitHub) and the abstracts of SciFact as a sync does, and prints one table of nDCG@10: fused search, vectors alone, BM25
alone, a stock PGVectorStore on the same chunks, and the hybrid search of LlamaIndex, langchain-postgres and Haystack as
their documentation describes it, with their own chunking and the same embedding model. Missing corpora are skipped with a
message. `--corpus python --corpus sqlalchemy` measures the sets that search is tuned on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llama_index.core.schema import Document

from bench.paths import MANUAL, SHARED
from bench.report import Table
from bench.search import rankings
from bench.search.tuning import MANUALS
from bench.served import served
from flows.demo.github_server import GitHubServer, load_export
from rag.engine import Engine
from rag.evaluate import Query, read_queries
from rag.evaluate.retrieval import mean_score
from rag.ingest.report import SyncReport
from rag.settings import Settings
from rag.sources import Changed
from rag.store.postgres.embedded import stop_embedded

MEASURED = ["manual", "tls13", "scifact"]
TUNED = [manual.name for manual in MANUALS]


@dataclass(frozen=True)
class Corpus:
    """A set of documents, and the query sets for it."""

    name: str
    #: syncs the documents into the index of the engine
    ingest: Callable[[Engine], SyncReport]
    sets: Mapping[str, Sequence[Query]]
    toml: str = ""
    api_url: str = "https://api.github.com"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table of all corpora."""
    parser = argparse.ArgumentParser(
        prog="python -m bench retrieval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="keep the indexes in this folder, and reuse existing ones")
    parser.add_argument("--corpus", action="append", choices=[*MEASURED, *TUNED], help="only these corpora")
    parser.add_argument(
        "--without-peers", action="store_true", help="skip the projects that run in separate environments"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    scores: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        home = options.home or Path(folder)
        for corpus in corpora(options.corpus or MEASURED):
            _measure(home / corpus.name, corpus, scores, peers=not options.without_peers)
    table = _table(scores)
    print(json.dumps(table.json(), indent=2) if options.json else table.markdown())


def _table(scores: dict[str, dict[str, float]]) -> Table:
    sets = list(dict.fromkeys(name for found in scores.values() for name in found))
    table = Table("Retrieval, nDCG@10", ["system", *sets])
    for system, found in scores.items():
        table.add(system, *(found.get(name) for name in sets))
    return table


def corpora(wanted: Sequence[str]) -> Iterator[Corpus]:
    """Yield the corpora that exist on this machine; each is served until the next one."""
    if "manual" in wanted:
        if MANUAL.is_dir():
            with served(MANUAL) as url:
                toml = f'[[docs]]\nname = "manual"\nurl = "{url}/index.html"\nexclude = ["bookindex.html"]\n'
                sets = read(
                    SHARED / "postgresql-15-manual.index.jsonl", SHARED / "postgresql-15-manual.questions.jsonl"
                )
                yield Corpus("manual", lambda engine: engine.sync("manual"), sets, toml)
        else:
            _say("skipped: the PostgreSQL manual (Debian's package postgresql-doc-15 is not installed)")
    export = SHARED / "tls13-spec.github.json.gz"
    if "tls13" in wanted:
        if export.exists():
            with GitHubServer(load_export(export), web_url="https://github.com") as github:
                toml = '[[github]]\nname = "tls13"\nrepo = "tlswg/tls13-spec"\ninclude = ["issues"]\n'
                sets = read(SHARED / "tls13-spec.fixes.jsonl")
                yield Corpus("tls13", lambda engine: engine.sync("tls13"), sets, toml, github.api_url)
        else:
            _say(f"skipped: tls13-spec ({export} is missing)")
    abstracts = SHARED / "scifact" / "corpus.jsonl.gz"
    if "scifact" in wanted:
        if abstracts.exists():
            sets = {"scifact": read_queries(SHARED / "scifact" / "queries.jsonl")}
            yield Corpus("scifact", lambda engine: engine.syncs.ingest(_Abstracts(abstracts)), sets)
        else:
            _say(f"skipped: SciFact ({abstracts} is missing)")
    for manual in MANUALS:
        if manual.name in wanted:
            if manual.folder.is_dir():
                with served(manual.folder) as url:
                    toml = (
                        f'[[docs]]\nname = "manual"\nurl = "{url}/index.html"\nexclude = {json.dumps(manual.globs())}\n'
                    )
                    sets = {
                        f"{manual.name}.index": manual.index(f"{url}/"),
                        f"{manual.name}.faq": manual.faq(f"{url}/"),
                    }
                    yield Corpus(manual.name, lambda engine: engine.sync("manual"), sets, toml)
            else:
                _say(f"skipped: {manual.name} (Debian's package {manual.package} is not installed)")


def read(*paths: Path) -> dict[str, list[Query]]:
    """Return the query sets whose files exist, by file name without extension."""
    return {path.stem: read_queries(path) for path in paths if path.exists()}


class _Abstracts:
    """SciFact as a source; each abstract is a document."""

    name = kind = "scifact"
    requests = 0

    def __init__(self, path: Path) -> None:
        self._path = path

    def changes(self, *, full: bool) -> Iterator[Changed]:
        with gzip.open(self._path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                url = f"https://example.org/scifact/{row['id']}"
                about = {"url": url, "title": row["title"] or row["id"], "source": self.name, "kind": "page"}
                yield Changed(
                    Document(id_=f"{self.name}:{row['id']}", text=row["text"] or row["title"], metadata=about)
                )


def _measure(home: Path, corpus: Corpus, scores: dict[str, dict[str, float]], *, peers: bool) -> None:
    home.mkdir(parents=True, exist_ok=True)
    sources = home / "sources.toml"
    sources.write_text(corpus.toml)
    settings = Settings(_env_file=None, RAG_HOME=home, RAG_SOURCES=sources, RAG_GITHUB_API_URL=corpus.api_url)
    try:
        with Engine.open(settings) as engine:
            report = corpus.ingest(engine)
            _say(
                f"{corpus.name}: {report.seen:,} documents, {report.embedded:,} chunks embedded, {report.seconds:.0f} s"
            )
            asked = list(dict.fromkeys(query.text for queries in corpus.sets.values() for query in queries))
            for system, rank in rankings.rankers(engine, peers=peers).items():
                try:
                    found = dict(zip(asked, rank(asked), strict=True))
                except subprocess.CalledProcessError as error:
                    _say(f"skipped: {system}: {(error.stderr or '').strip().splitlines()[-1:]}")
                    continue
                for name, queries in corpus.sets.items():
                    if not queries:
                        continue
                    score = mean_score([(found[query.text], query.gold or ()) for query in queries if query.gold], k=10)
                    scores.setdefault(system, {})[name] = score.ndcg
                    _say(f"  {system:<40} {name:<34} {score.ndcg:.3f}")
    finally:
        stop_embedded(home)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
