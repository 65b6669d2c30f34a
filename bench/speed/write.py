"""The speed of writing chunks with vectors into Postgres: `python -m bench write`.

All methods write the same synthetic chunks with given vectors, ten per document. Other projects write into their own tables
through their public API, and create the vector index and the keyword index before the rows. This project and the
hand-written COPY build the vector index after the rows; the time is included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pgvector
from psycopg import sql

from bench import peers
from bench.paths import CACHE
from bench.report import Table, seconds
from bench.speed.corpus import Synthetic, base, synthetic
from bench.speed.filled import empty_engine
from bench.speed.scale import INDEX, PER_DOCUMENT, PER_TRANSACTION, put
from rag.engine import Engine
from rag.ingest.compaction import Compaction
from rag.store.index_info import IndexTables

ROWS = 20_000
FEWER = 2_000  # for slow methods


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield a comparison with other projects, and the cost of each part."""
    source = base(CACHE / "corpus")
    chunks = list(islice(synthetic(source, ROWS), ROWS))
    table = Table("Writing chunks", ["method", "rows", "rows/s", "rows/s with HNSW", "speed-up of this project"])
    rates: dict[str, tuple[int, float, float]] = {}
    for name, method, rows in (
        ("hand-written COPY into the same columns", _by_hand, ROWS),
        ("this project: documents and chunks", partial(_store, postings=False), ROWS),
        ("this project: documents, chunks, postings", _store, ROWS),
        ("PGVectorStore.add, hybrid", _stock, ROWS),
        ("langchain-postgres, hybrid", _langchain, FEWER),
        ("haystack's pgvector store", _haystack, FEWER),
    ):
        with empty_engine() as engine:
            try:
                rates[name] = (rows, *method(engine, chunks[:rows]))
            except subprocess.CalledProcessError as error:
                print(f"skipped: {name}: {(error.stderr or '').strip().splitlines()[-1:]}")
    this_project = rates["this project: documents, chunks, postings"][2]
    for name, (rows, written, whole) in rates.items():
        table.add(name, rows, written, whole, this_project / whole)
    yield table
    yield _parts(chunks)


def _by_hand(engine: Engine, chunks: Sequence[Synthetic]) -> tuple[float, float]:
    """Write all chunks with one COPY in one transaction; the documents exist already."""
    store, names = engine.store, IndexTables(INDEX).identifiers
    _documents(engine, chunks)
    rows = [_row(number, chunk) for number, chunk in enumerate(chunks)]
    copy = engine.database.queries.compose("copy_chunks", names)

    def write() -> None:
        with (
            engine.database.connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
            cursor.copy(copy) as into,
        ):
            into.set_types(["varchar", "json", "varchar", "halfvec", "text", "text", "int4", "text", "text"])
            for row in rows:
                into.write_row(row)

    writing = seconds(write)
    with engine.database.connection() as connection:
        connection.execute("INSERT INTO index_statistics VALUES (%s, 'rest', %s, 0)", [INDEX.name, len(chunks)])
    building = seconds(lambda: store.vectors.build(INDEX))
    return len(chunks) / writing, len(chunks) / (writing + building)


def _documents(engine: Engine, chunks: Sequence[Synthetic]) -> None:
    engine.store.sources.register("rest", "docs")
    engine.store.indexes.create(INDEX)
    with engine.database.connection() as connection:
        connection.execute(
            "INSERT INTO documents SELECT 'rest:' || n, 'rest', 'page', '', '', '', '{}', '' FROM generate_series(0, %s, %s) n",
            [len(chunks), PER_DOCUMENT],
        )


def _row(number: int, chunk: Synthetic) -> tuple[object, ...]:
    document = f"rest:{number - number % PER_DOCUMENT}"
    url = f"https://example.org/{number - number % PER_DOCUMENT}"
    about = {"url": url, "title": "A page", "source": "rest", "kind": "page", "heading": "A page"}
    place = number % PER_DOCUMENT
    return (
        chunk.text, json.dumps(about), f"{document}#{place}", pgvector.HalfVector(chunk.vector), document, "rest", place,
        "A page", url,
    )  # fmt: skip


def _store(engine: Engine, chunks: Sequence[Synthetic], *, postings: bool = True) -> tuple[float, float]:
    """Write as ingestion does: documents in batches, and postings every 2,000 chunks.

    :param postings: False writes no postings
    """
    engine.store.sources.register("rest", "docs")
    engine.store.indexes.create(INDEX)

    compaction = Compaction(engine.store, INDEX, "rest")

    def write() -> None:
        for start in range(0, len(chunks), PER_TRANSACTION):
            put(engine.store, "rest", start, chunks[start : start + PER_TRANSACTION])
            if postings:
                compaction.queued(start + PER_TRANSACTION)
        if postings:
            compaction.finish()

    def build() -> None:
        engine.store.vectors.build(INDEX)
        if postings:
            compaction.close()

    writing = seconds(write)
    building = seconds(build)
    return len(chunks) / writing, len(chunks) / (writing + building)


def _stock(engine: Engine, chunks: Sequence[Synthetic]) -> tuple[float, float]:
    from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
    from llama_index.vector_stores.postgres import PGVectorStore

    url = f"postgresql+psycopg://postgres@/postgres?host={_socket(engine)}"
    store = PGVectorStore(
        connection_string=url, async_connection_string=url, table_name="stock", embed_dim=INDEX.dimension,
        hybrid_search=True, hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_dist_method": "vector_cosine_ops"},
    )  # fmt: skip
    nodes: list[BaseNode] = []
    for number, chunk in enumerate(chunks):
        _, about, name, _, document, *_ = _row(number, chunk)
        node = TextNode(
            id_=str(name), text=chunk.text, metadata=json.loads(str(about)), embedding=chunk.vector.tolist()
        )
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=str(document))
        nodes.append(node)
    rate = len(chunks) / seconds(lambda: store.add(nodes))
    return rate, rate


def _langchain(engine: Engine, chunks: Sequence[Synthetic]) -> tuple[float, float]:
    packages = ("langchain-postgres==0.0.17", "psycopg[binary]", "numpy")
    return _peer(engine, chunks, "langchain-postgres", packages, _LANGCHAIN)


def _haystack(engine: Engine, chunks: Sequence[Synthetic]) -> tuple[float, float]:
    packages = ("pgvector-haystack==6.5.0", "psycopg[binary]", "numpy")
    return _peer(engine, chunks, "haystack", packages, _HAYSTACK)


def _peer(
    engine: Engine, chunks: Sequence[Synthetic], name: str, packages: tuple[str, ...], program: str
) -> tuple[float, float]:
    """Run another project's program in a separate environment; it prints the seconds that writing took."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/vectors.npy", np.stack([chunk.vector for chunk in chunks]))
        rows = [_row(number, chunk) for number, chunk in enumerate(chunks)]
        Path(folder, "rows.json").write_text(json.dumps([[row[0], json.loads(str(row[1])), row[2]] for row in rows]))
        command = [peers.python(name, packages), "-c", program, folder, _socket(engine)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    rate = len(chunks) / float(done.stdout.strip().splitlines()[-1])
    return rate, rate


def _socket(engine: Engine) -> str:
    return parse_qs(urlsplit(engine.database.dsn).query)["host"][0]


_LANGCHAIN = """
import json, sys, time
import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_postgres import PGEngine, PGVectorStore
from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig
from langchain_postgres.v2.indexes import HNSWIndex
folder, socket = sys.argv[1:]
rows = json.load(open(folder + "/rows.json"))
vectors = np.load(folder + "/vectors.npy")
class Known(Embeddings):
    def embed_documents(self, texts): return vectors.tolist()
    def embed_query(self, text): return vectors[0].tolist()
engine = PGEngine.from_connection_string(f"postgresql+psycopg://postgres@/postgres?host={socket}")
config = HybridSearchConfig(tsv_column="tsv")
engine.init_vectorstore_table("langchain", vectors.shape[1], hybrid_search_config=config)
store = PGVectorStore.create_sync(engine, Known(), "langchain", hybrid_search_config=config)
store.apply_vector_index(HNSWIndex())
started = time.perf_counter()
store.add_embeddings([row[0] for row in rows], vectors.tolist(), [row[1] for row in rows])
print(time.perf_counter() - started)
"""
_HAYSTACK = """
import json, sys, time
import numpy as np
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore
folder, socket = sys.argv[1:]
rows = json.load(open(folder + "/rows.json"))
vectors = np.load(folder + "/vectors.npy")
store = PgvectorDocumentStore(connection_string=Secret.from_token(f"postgresql://postgres@/postgres?host={socket}"), embedding_dimension=vectors.shape[1], search_strategy="hnsw")
documents = [Document(id=row[2], content=row[0], meta=row[1], embedding=vector.tolist()) for row, vector in zip(rows, vectors)]
started = time.perf_counter()
store.write_documents(documents)
print(time.perf_counter() - started)
"""


def _parts(chunks: Sequence[Synthetic]) -> Table:
    """Measure a plain COPY, and the cost of each column and index that search needs."""
    table = Table("The parts of a COPY", ["COPY of", "rows/s", "relative to text", "MB"])
    lean = "text text, embedding halfvec(384)"
    vector = "tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED"
    steps: list[tuple[str, str, str]] = [
        ("text", "text text", ""),
        ("text and halfvec", lean, ""),
        ("text, halfvec and tsvector", f"{lean}, tsv {vector}", ""),
        ("text, halfvec, tsvector and a GIN index", f"{lean}, tsv {vector}", "CREATE INDEX ON parts USING gin (tsv)"),
        ("text and vector", "text text, embedding vector(384)", ""),
    ]
    first = 0.0
    with empty_engine() as engine, engine.database.connection() as connection:
        for name, columns, index in steps:
            connection.execute(sql.SQL(f"DROP TABLE IF EXISTS parts; CREATE TABLE parts ({columns}); {index}"))
            types = [part.split("(")[0].split()[1] for part in columns.split(", ")[:2]] if "," in columns else ["text"]

            def write(types: list[str] = types) -> None:
                kind = pgvector.Vector if "vector" in types else pgvector.HalfVector
                into = "COPY parts (text, embedding)" if len(types) > 1 else "COPY parts (text)"
                with connection.cursor() as cursor, cursor.copy(f"{into} FROM STDIN (FORMAT binary)") as copy:
                    copy.set_types(types)
                    for chunk in chunks:
                        copy.write_row((chunk.text, kind(chunk.vector))[: len(types)])

            rate = len(chunks) / seconds(write)
            first = first or rate
            size = connection.execute("SELECT pg_total_relation_size('parts')").fetchone()
            table.add(name, rate, rate / first, (size[0] if size else 0) / 2**20)
    with empty_engine() as engine:
        rate = _store(engine, chunks)[0]
        with engine.database.connection() as connection:
            size = connection.execute(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN (%s, %s)",
                [f"data_{INDEX.name}", f"{INDEX.name}_postings"],
            ).fetchone()
        table.add(
            "this project: documents, chunks with tsvector, postings",
            rate,
            rate / first,
            (size[0] if size else 0) / 2**20,
        )
    return table
