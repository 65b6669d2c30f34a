"""The speed of the store at several sizes: `python -m bench scale [--sizes 10000 100000 1000000]`.

For each size, the store fills a new embedded Postgres with synthetic chunks (see bench.corpus), with 40 documents of ten
chunks per transaction. Then the postings are compacted and the vector index is built. Every question is a passage of
Python's documentation. Recall compares the ten nearest vectors with an exact search.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pgvector
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from bench import peers
from bench.report import Table, percentiles, seconds
from bench.speed.corpus import SHARES, Base, Synthetic, base, questions, synthetic
from rag.embedding import LocalEncoder
from rag.store.chunks import ChunkRow
from rag.store.documents import DocumentRow
from rag.store.filters import Filters
from rag.store.index_info import IndexInfo, IndexTables
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import stop_embedded
from rag.store.search import ENTRIES_A_CHUNK, MANY_ENTRIES
from rag.store.store import Store

INDEX = IndexInfo("scale", "local/all-MiniLM-L6-v2", 384, "bench")
PER_DOCUMENT = 10
PER_TRANSACTION = 400
COMPACTED = 2_000
QUESTIONS = 100
SIZES = (10_000, 100_000, 1_000_000)
_TEN = " ORDER BY score DESC LIMIT 10"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, metavar="CHUNKS", help="the sizes to measure, in chunks"
    )
    parser.add_argument("--home", type=Path, help="keep the databases in this folder")


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield the tables: filling, searching, one source, BM25, quantization."""
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        home = options.home or Path(folder)
        source = base(home)
        tables = _tables()
        for size in options.sizes:
            place = home / str(size)
            try:
                with Database.open(url=None, home=place) as database:
                    Scale(database, source, size, LocalEncoder(home)).measure(tables)
            finally:
                stop_embedded(place)
        yield from tables.values()


def _tables() -> dict[str, Table]:
    return {
        "fill": Table(
            "Filling an index",
            [
                "chunks",
                "chunks/s",
                "share of compaction",
                "HNSW, s",
                "bytes per chunk",
                "of which HNSW",
                "of which postings",
            ],
        ),
        "search": Table(
            "Searching the whole index, ms",
            [
                "chunks",
                "words",
                "both p50",
                "both p99",
                "vectors p50",
                "BM25 p50",
                "BM25 p99",
                "ts_rank p50",
                "ts_rank_cd p50",
                "ts_rank / BM25",
            ],
        ),
        "filter": Table(
            "Searching one source", ["chunks", "source", "share", "recall@10", "both p50 ms", "both p99 ms"]
        ),
        "exact": Table(
            "BM25 compared with bm25s", ["chunks", "questions", "largest score difference", "same ten results"]
        ),
        "binary": Table(
            "Binary vectors, the best hundred rescored", ["chunks", "recall@10", "p50 ms", "HNSW bytes per chunk"]
        ),
    }


class Scale:
    """The measurements of one size."""

    def __init__(self, database: Database, source: Base, size: int, encoder: LocalEncoder) -> None:
        self.database = database
        self.store = Store(database)
        self.source = source
        self.size = size
        self.names = IndexTables(INDEX)
        self.asked = {words: questions(source, QUESTIONS, words) for words in (4, 20)}
        self.vectors = {text: encoder.encode_query(text) for texts in self.asked.values() for text in texts}

    def measure(self, tables: dict[str, Table]) -> None:
        """Fill the index if it is empty, then measure searches."""
        if self.store.indexes.active() is None:
            self._fill(tables["fill"])
        self._search(tables["search"])
        self._filter(tables["filter"])
        if self.size <= 100_000:
            self._exact(tables["exact"])
            self._binary(tables["binary"])

    def rows(
        self, statement: sql.SQL | sql.Composed | str, values: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a statement that may contain the identifiers of the index, such as {chunks}."""
        with self.database.connection() as connection:
            text = sql.SQL(statement) if isinstance(statement, str) else statement
            cursor = connection.execute(
                text.format(**self.names.identifiers) if isinstance(text, sql.SQL) else text, values
            )
            return cursor.fetchall() if cursor.description else []

    def _fill(self, table: Table) -> None:
        for name in SHARES:
            self.store.sources.register(name, "docs")
        self.store.indexes.create(INDEX)
        self._compacting = 0.0
        writing = seconds(self._write)
        building = seconds(lambda: self.store.vectors.build(INDEX))
        self.rows("VACUUM ANALYZE {chunks}")
        ((total, hnsw, postings),) = self.rows(
            "SELECT pg_total_relation_size(%(chunks)s) + pg_total_relation_size(%(postings)s),"
            " pg_relation_size(%(hnsw)s), pg_total_relation_size(%(postings)s)",
            {"chunks": self.names.chunks, "postings": self.names.postings, "hnsw": self.names.hnsw},
        )
        each = [part // self.size for part in (total, hnsw, postings)]
        table.add(self.size, self.size / writing, self._compacting / writing, building, *each)

    def _write(self) -> None:
        waiting: dict[str, list[Synthetic]] = {name: [] for name in SHARES}
        made = 0
        for chunk in synthetic(self.source, self.size):
            group = waiting[chunk.source]
            group.append(chunk)
            if len(group) == PER_TRANSACTION:
                put(self.store, chunk.source, made, group)
                made += len(group)
                waiting[chunk.source] = []
                if made % COMPACTED == 0:
                    self._compact(thorough=False)
        for name, group in waiting.items():
            put(self.store, name, made, group)
            made += len(group)
        self._compact(thorough=True)

    def _compact(self, *, thorough: bool) -> None:
        """Write the queued postings; ingestion does so every 2,000 chunks."""
        for name in SHARES:
            self._compacting += seconds(lambda name=name: self.store.postings.compact(INDEX, name, thorough=thorough))  # type: ignore[misc]

    def _search(self, table: Table) -> None:
        self.rows("CREATE INDEX IF NOT EXISTS bench_gin ON {chunks} USING gin (text_search_tsv)")
        self.rows("VACUUM ANALYZE {chunks}")
        queries = self.database.queries
        names = self.names.identifiers
        is_large = self.size >= MANY_ENTRIES
        words = self._by_words(of_best=is_large, ending=_TEN)
        many = MANY_ENTRIES if is_large else math.inf
        nearest = queries.compose("nearest", names)
        rank = (
            "SELECT id, {rank}(text_search_tsv, q) AS score FROM {chunks}, (SELECT replace("
            "plainto_tsquery('english', %(question)s)::text, '&', '|')::tsquery AS q) asked "
            "WHERE text_search_tsv @@ q ORDER BY score DESC LIMIT 10"
        )
        for length, asked in self.asked.items():
            some = asked if self.size <= 100_000 else asked[:8]
            both = percentiles(lambda text: self.search(text), asked)
            vectors = percentiles(lambda text: self.nearest(nearest, text), asked)
            bm25 = percentiles(lambda text: self.rows(words, self.values(text, many=many)), asked)
            ranks = []
            for name in ("ts_rank", "ts_rank_cd"):
                statement = sql.SQL(rank).format(rank=sql.SQL(name), **names)
                ask = partial(self._ask, statement)
                ranks.append(percentiles(ask, some, warm=1)[0])
            table.add(self.size, length, *both, vectors[0], *bm25, *ranks, ranks[0] / bm25[0])
        self.rows("DROP INDEX bench_gin")

    def _ask(self, statement: sql.SQL | sql.Composed, text: str) -> object:
        return self.rows(statement, {"question": text})

    def search(self, text: str, source: str | None = None) -> object:
        """Select the candidates of a search."""
        return self.store.search.candidates(
            INDEX, question=text, embedding=self.vectors[text], filters=Filters(source=source), candidates=100
        )

    def nearest(self, query: sql.SQL | sql.Composed, text: str) -> object:
        """Search all vectors with the query of a search, without keywords."""
        with self.store.search.connection(INDEX, None) as connection:
            return connection.execute(query, self.values(text, candidates=10)).fetchall()

    def values(
        self, text: str, source: str | None = None, candidates: int = 100, many: float = math.inf
    ) -> dict[str, Any]:
        """Return the values that the queries of sql/ bind."""
        return {
            "index": INDEX.name, "question": text, "embedding": pgvector.HalfVector(self.vectors[text]),
            "source": source, "candidates": candidates, "many": many, "entries_a_chunk": ENTRIES_A_CHUNK,
        }  # fmt: skip

    def _by_words(self, *, of_best: bool, ending: str = "") -> sql.Composed:
        """Return the keyword part of a search, which scores all chunks or the best chunks only."""
        statement = (
            "WITH {terms}, by_meaning AS (SELECT 0::bigint AS id WHERE false), {bm25} SELECT chunk, score FROM bm25"
        )
        return sql.SQL(statement + ending).format(**self.store.search.scoring(INDEX, of_best=of_best))

    def _filter(self, table: Table) -> None:
        ids, sources, vectors = self._all_vectors()
        asked = [text for texts in self.asked.values() for text in texts[: QUESTIONS // 2]]
        wanted = np.stack([self.vectors[text] for text in asked])
        for source in (None, *SHARES):
            if source == "rest":
                continue
            mask = np.ones(len(ids), bool) if source is None else sources == source
            exact = _nearest(vectors, mask, wanted)
            query = self.database.queries.compose(
                self.store.search.nearest_query(INDEX, source), self.names.identifiers
            )
            recalls = []
            for text, best in zip(asked, exact, strict=True):
                with self.store.search.connection(INDEX, source) as connection:
                    rows = connection.execute(query, self.values(text, source)).fetchall()
                found = {row[0] for row in rows[:10]}
                recalls.append(len(found & set(ids[best].tolist())) / len(best))
            p50, p99 = percentiles(lambda text, source=source: self.search(text, source), asked)  # type: ignore[misc]
            table.add(self.size, source or "all", float(mask.mean()), float(np.mean(recalls)), p50, p99)

    def _all_vectors(self) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.float16]]:
        ids = np.empty(self.size, np.int64)
        sources = np.empty(self.size, "U12")
        vectors = np.empty((self.size, INDEX.dimension), np.float16)
        with (
            psycopg.connect(self.database.dsn) as connection,
            connection.cursor("all_vectors", binary=True) as cursor,
        ):
            cursor.itersize = 10_000
            query = sql.SQL("SELECT id, source, halfvec_send(embedding) FROM {chunks}").format(**self.names.identifiers)
            for row, (number, source, packed) in enumerate(cursor.execute(query)):
                ids[row], sources[row] = number, source
                vectors[row] = np.frombuffer(packed, ">f2", offset=4)
        return ids, sources, vectors

    def _exact(self, table: Table) -> None:
        """Compare the BM25 scores with those of bm25s over the same lexemes."""
        rows = self.rows(
            "SELECT id, ARRAY(SELECT lexeme FROM unnest(text_search_tsv) t, unnest(t.positions)) FROM {chunks} ORDER BY id"
        )
        asked = [text for texts in self.asked.values() for text in texts]
        # Whole identifiers count half, in addition to their parts.
        lexemes = [
            self.rows(
                "SELECT ARRAY(SELECT lexeme FROM unnest(search_terms(%(text)s)) t, unnest(t.positions)"
                " WHERE (left(lexeme, 1) = '=') = %(identifiers)s)",
                {"text": text, "identifiers": identifiers},
            )[0][0]
            for identifiers in (False, True)
            for text in asked
        ]
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            (work / "in.json").write_text(json.dumps({"corpus": [terms for _, terms in rows], "queries": lexemes}))
            python = peers.python("bm25s", ("bm25s==0.3.0", "numpy"))
            subprocess.run([python, "-c", _BM25S, str(work)], check=True, stdout=subprocess.DEVNULL)
            words, identifiers = np.split(np.load(work / "scores.npy"), 2)
            reference = words + identifiers / 2
        every, of_best = self._by_words(of_best=False), self._by_words(of_best=True, ending=_TEN)
        place = {number: row for row, (number, _) in enumerate(rows)}
        differences, same = [], 0
        for text, expected in zip(asked, reference, strict=True):
            scores = np.zeros(len(rows))
            for chunk, score in self.rows(every, self.values(text, many=math.inf)):
                scores[place[chunk]] = score
            differences.append(float(np.abs(scores - expected).max()))
            best = [place[chunk] for chunk, _ in self.rows(of_best, self.values(text, many=0))]
            best += [int(row) for row in np.flatnonzero(expected == 0)[: 10 - len(best)]]
            same += bool(np.allclose(np.sort(expected[best]), np.sort(np.partition(expected, -10)[-10:]), atol=1e-6))
        table.add(self.size, len(asked), f"{max(differences):.1e}", f"{same / len(asked):.1%}")

    def _binary(self, table: Table) -> None:
        self.rows(
            "CREATE INDEX bench_binary ON {chunks} USING hnsw ((binary_quantize(embedding)::bit({dimension})) bit_hamming_ops)"
        )
        ids, _, vectors = self._all_vectors()
        asked = [text for texts in self.asked.values() for text in texts]
        exact = _nearest(vectors, np.ones(len(ids), bool), np.stack([self.vectors[text] for text in asked]))
        query = (
            "SELECT id FROM (SELECT id, embedding FROM {chunks} ORDER BY binary_quantize(embedding)::bit({dimension})"
            " <~> binary_quantize(%(embedding)s::halfvec)::bit({dimension}) LIMIT 100) near"
            " ORDER BY embedding <=> %(embedding)s::halfvec LIMIT 10"
        )
        recalls = [
            len({row[0] for row in self.rows(query, self.values(text))} & set(ids[best].tolist())) / len(best)
            for text, best in zip(asked, exact, strict=True)
        ]
        p50, _ = percentiles(lambda text: self.rows(query, self.values(text)), asked)
        size = self.rows("SELECT pg_relation_size('bench_binary')")[0][0] // self.size
        table.add(self.size, float(np.mean(recalls)), p50, size)
        self.rows("DROP INDEX bench_binary")


def put(store: Store, source: str, first: int, chunks: Sequence[Synthetic]) -> None:
    """Store chunks in one transaction, as documents of ten chunks.

    :param first: the number of the first chunk, which makes the ids of documents unique
    """
    documents, rows = [], []
    for start in range(0, len(chunks), PER_DOCUMENT):
        name, url = f"{source}:{first + start}", f"https://example.org/{first + start}"
        documents.append(DocumentRow(name, source, "page", url, "A page", "", {}, name))
        for place, chunk in enumerate(chunks[start : start + PER_DOCUMENT]):
            about = {"url": url, "title": "A page", "source": source, "kind": "page", "heading": "A page"}
            row = ChunkRow(f"{name}#{place}", place, chunk.text, "A page", url, about, chunk.vector)
            rows.append((name, row))
    with store.transaction() as transaction:
        transaction.documents.put(documents)
        transaction.chunks.add(INDEX, source, rows)


_BM25S = """
import json, sys
from pathlib import Path
import bm25s, numpy as np
work = Path(sys.argv[1])
data = json.loads((work / "in.json").read_text())
model = bm25s.BM25(method="lucene", k1=1.2, b=0.75, dtype="float64")
model.index(data["corpus"], show_progress=False)
# bm25s omits the factor k1 + 1 (2.2), which does not change the order.
none = np.zeros(len(data["corpus"]))
np.save(work / "scores.npy", np.stack([2.2 * model.get_scores(query) if query else none for query in data["queries"]]))
"""


def _nearest(vectors: NDArray[np.float16], mask: NDArray[np.bool_], wanted: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows of the ten nearest vectors of each question, by exact search in slices."""
    rows = np.flatnonzero(mask)
    scores = np.concatenate(
        [vectors[part].astype(np.float32) @ wanted.T for part in np.array_split(rows, -(-len(rows) // 50_000))]
    )
    best: NDArray[np.int64] = rows[np.argsort(-scores, axis=0)[:10].T]
    return best
