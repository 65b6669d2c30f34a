"""Retrieval quality on real corpora: `python -m bench.retrieval`.

Ingests the PostgreSQL 15 manual (Debian's postgresql-doc-15, served on loopback) and tls13-spec's issues through the same
sources as the real thing, then measures nDCG@10 of vectors alone, BM25 alone, both as fused here, and a stock PGVectorStore
on the same table in its default and its hybrid mode. Sets that are not on this machine are left out, and it says so.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flows.sample.github_server import GitHubServer, load_export
from rag.database import stop_embedded
from rag.engine import Engine
from rag.evaluate import Query, read_queries, score
from rag.settings import Settings

DATA = Path(__file__).parents[2] / "shared" / "data"
MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")

Ranking = Callable[[str], list[str]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each corpus."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.retrieval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="keep the index in this folder and use it again")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        home = options.home or Path(folder)
        if MANUAL.is_dir():
            with _served(MANUAL) as url:
                toml = f'[[docs]]\nname = "manual"\nurl = "{url}/index.html"\nexclude = ["bookindex.html"]\n'
                _measure(home / "manual", toml, ["postgresql-15-manual.index", "postgresql-15-manual.questions"])
        else:
            print("left out: the PostgreSQL manual (Debian's package postgresql-doc-15 is not installed)")
        export = DATA / "tls13-spec.github.json.gz"
        if export.exists():
            with GitHubServer(load_export(export), web_url="https://github.com") as github:
                toml = '[[github]]\nname = "tls13-spec"\nrepo = "tlswg/tls13-spec"\ninclude = ["issues"]\n'
                _measure(home / "tls13", toml, ["tls13-spec.fixes"], api_url=github.api_url)
        else:
            print(f"left out: tls13-spec ({export.name} is not beside this checkout)")


def _measure(home: Path, toml: str, sets: Sequence[str], api_url: str = "https://api.github.com") -> None:
    home.mkdir(parents=True, exist_ok=True)
    sources = home / "sources.toml"
    sources.write_text(toml)
    settings = Settings(_env_file=None, RAG_HOME=home, RAG_SOURCES=sources, RAG_GITHUB_API_URL=api_url)
    try:
        with Engine.open(settings) as engine:
            for config in engine.settings.sources:
                report = engine.sync(config.name)
                rate = report.embedded / report.seconds
                print(
                    f"\n{config.name}: {report.seen:,} documents, {report.embedded:,} chunks embedded, {rate:.0f} a second end to end"
                )
            rankings = _rankings(engine)
            print(f"{'nDCG@10':<34}" + "".join(f"{name:>14}" for name in rankings))
            for name in sets:
                path = DATA / f"{name}.jsonl"
                if path.exists():
                    queries = read_queries(path)
                    figures = [_ndcg(queries, rank) for rank in rankings.values()]
                    print(f"{name:<34}" + "".join(f"{figure:>14.3f}" for figure in figures))
    finally:
        stop_embedded(home)


def _ndcg(queries: Sequence[Query], rank: Ranking) -> float:
    return math.fsum(score(rank(query.text), query.gold, k=10).ndcg for query in queries) / len(queries)


def _rankings(engine: Engine) -> dict[str, Ranking]:
    index = engine.store.active_index()
    assert index is not None
    encoder = engine.encoder(index.embedding_model)

    def by(key: str) -> Ranking:
        def rank(question: str) -> list[str]:
            found = engine.store.search(
                index, question=question, embedding=encoder.encode_query(question), candidates=100
            )
            best: dict[str, int] = {}
            for one in sorted(found, key=lambda one: -getattr(one, key)):
                best.setdefault(one.document_id, one.id)
            rows = engine.store.chunks_by_id(index, list(best.values())[:10])
            return [rows[chunk].url for chunk in list(best.values())[:10]]

        return rank

    def stock(mode: str) -> Ranking:
        from urllib.parse import parse_qs, urlsplit

        from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
        from llama_index.vector_stores.postgres import PGVectorStore

        parts = urlsplit(engine.database.dsn)
        url = f"postgresql+psycopg://postgres@/postgres?host={parse_qs(parts.query)['host'][0]}"
        store = PGVectorStore(
            connection_string=url, async_connection_string=url, table_name=index.name, embed_dim=index.dimension,
            hybrid_search=True, perform_setup=False,
        )  # fmt: skip

        def rank(question: str) -> list[str]:
            vector = encoder.encode_query(question).tolist()
            query = VectorStoreQuery(
                query_embedding=vector, query_str=question, similarity_top_k=50, sparse_top_k=50,
                mode=VectorStoreQueryMode(mode),
            )  # fmt: skip
            best: dict[str | None, str] = {}
            for node in store.query(query).nodes or []:
                best.setdefault(node.ref_doc_id, node.metadata["url"])
            return list(best.values())[:10]

        return rank

    return {
        "fused": lambda question: [result.url for result in engine.search(question, top_k=10)],
        "vectors": by("cosine"),
        "BM25": by("bm25"),
        "stock": stock("default"),
        "stock hybrid": stock("hybrid"),
    }


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
