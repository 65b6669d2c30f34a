"""Rankings of documents for questions: by this project, by its parts, and by other projects with their documented setup.

A ranker takes all questions and returns the URLs of ten documents for each question, best first. Other projects chunk the
same documents themselves and use the same embedding model, so only chunking, keyword search and fusion differ.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from bench import peers as environments
from rag.engine import Engine

__all__ = ["rankers"]

Ranking = list[str]
Ranker = Callable[[Sequence[str]], list[Ranking]]

# The number of chunks to request, so that they belong to at least ten documents.
_DEPTH = 50

_LANGCHAIN_PACKAGES = ("langchain-postgres==0.0.17", "langchain-text-splitters", "psycopg[binary]", "numpy")
_HAYSTACK_PACKAGES = ("pgvector-haystack==6.5.0", "psycopg[binary]", "numpy")


def rankers(engine: Engine, *, peers: bool) -> dict[str, Ranker]:
    """Return the rankers by name.

    :param peers: include the projects that run in separate environments
    """
    named: dict[str, Ranker] = {
        "fused": lambda asked: [[result.url for result in engine.search(question, top_k=10)] for question in asked],
        "vectors alone": partial(_by, engine, "cosine"),
        "BM25 alone": partial(_by, engine, "bm25"),
        "PGVectorStore, same chunks": partial(_stock, engine, "default"),
        "PGVectorStore hybrid, same chunks": partial(_stock, engine, "hybrid"),
        "LlamaIndex hybrid, own chunks": partial(_llamaindex, engine),
    }
    if peers:
        named["langchain-postgres hybrid"] = partial(
            _peer, engine, "langchain-retrieval", _LANGCHAIN_PACKAGES, _LANGCHAIN
        )
        named["Haystack hybrid"] = partial(_peer, engine, "haystack-retrieval", _HAYSTACK_PACKAGES, _HAYSTACK)
    return named


def _first_documents(urls: Iterable[str]) -> Ranking:
    """Return the first URL of each of the first ten documents; chunks of a document differ in the fragment only."""
    first: dict[str, str] = {}
    for url in urls:
        first.setdefault(url.partition("#")[0], url)
    return list(first.values())[:10]


def _by(engine: Engine, key: str, asked: Sequence[str]) -> list[Ranking]:
    index = engine.questions.active_index
    encoder = engine.encoders.of(index.embedding_model)

    def rank(question: str) -> Ranking:
        found = engine.store.search.candidates(
            index, question=question, embedding=encoder.encode_query(question), candidates=100
        )
        best: dict[str, int] = {}
        for candidate in sorted(found, key=lambda candidate: -getattr(candidate, key)):
            best.setdefault(candidate.document_id, candidate.id)
        chosen = list(best.values())[:10]
        rows = engine.store.chunks.by_id(index, chosen)
        return [rows[chunk].url for chunk in chosen]

    return [rank(question) for question in asked]


def _url(engine: Engine) -> str:
    return f"postgresql+psycopg://postgres@/postgres?host={_socket(engine)}"


def _socket(engine: Engine) -> str:
    return parse_qs(urlsplit(engine.database.dsn).query)["host"][0]


def _stock(engine: Engine, mode: str, asked: Sequence[str]) -> list[Ranking]:
    """Rank with LlamaIndex's PGVectorStore over this project's table."""
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
    from llama_index.vector_stores.postgres import PGVectorStore

    index = engine.questions.active_index
    encoder = engine.encoders.of(index.embedding_model)
    store = PGVectorStore(
        connection_string=_url(engine), async_connection_string=_url(engine), table_name=index.name,
        embed_dim=index.dimension, hybrid_search=True, perform_setup=False,
    )  # fmt: skip

    def rank(question: str) -> Ranking:
        query = VectorStoreQuery(
            query_embedding=encoder.encode_query(question).tolist(), query_str=question, similarity_top_k=_DEPTH,
            sparse_top_k=_DEPTH, mode=VectorStoreQueryMode(mode),
        )  # fmt: skip
        return _first_documents(node.metadata["url"] for node in store.query(query).nodes or [])

    return [rank(question) for question in asked]


def _llamaindex(engine: Engine, asked: Sequence[str]) -> list[Ranking]:
    """Rank with IngestionPipeline and PGVectorStore as in LlamaIndex's documentation; chunks fill the model's input."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import Document
    from llama_index.vector_stores.postgres import PGVectorStore

    from rag.embedding.cache import CachedEncoder
    from rag.embedding.llamaindex import EncoderEmbedding

    index = engine.questions.active_index
    encoder = engine.encoders.of(index.embedding_model)
    embedding = EncoderEmbedding(CachedEncoder(encoder, engine.store.embeddings))
    store = PGVectorStore(
        connection_string=_url(engine), async_connection_string=_url(engine), table_name="peer_llamaindex",
        embed_dim=index.dimension, hybrid_search=True, text_search_config="english",
    )  # fmt: skip
    store.clear()
    documents = [
        Document(id_=name, text=text, metadata={"title": title, "url": url}, excluded_embed_metadata_keys=["url"])
        for name, url, title, text in _documents(engine)
    ]
    splitter = SentenceSplitter(chunk_size=256, chunk_overlap=20, tokenizer=lambda text: _token_range(encoder, text))
    IngestionPipeline(transformations=[splitter, embedding], vector_store=store, disable_cache=True).run(
        documents=documents
    )
    retriever = VectorStoreIndex.from_vector_store(store, embed_model=embedding).as_retriever(
        vector_store_query_mode="hybrid", similarity_top_k=_DEPTH, sparse_top_k=_DEPTH
    )
    return [
        _first_documents(found.node.metadata["url"] for found in retriever.retrieve(question)) for question in asked
    ]


def _token_range(encoder: object, text: str) -> range:
    """Return a range with the length of a text in tokens; the splitter uses only the length."""
    return range(encoder.count_tokens(text))  # type: ignore[attr-defined]


def _documents(engine: Engine) -> list[tuple[str, str, str, str]]:
    with engine.database.connection() as connection:
        return connection.execute("SELECT id, url, title, text FROM documents ORDER BY id").fetchall()


def _peer(engine: Engine, name: str, packages: tuple[str, ...], program: str, asked: Sequence[str]) -> list[Ranking]:
    """Rank with another project's program in a separate environment: it chunks the documents, then stores and searches.

    :raises subprocess.CalledProcessError: the installation or the program failed
    """
    from rag.embedding.cache import CachedEncoder

    encoder = engine.encoders.of(engine.questions.active_index.embedding_model)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        # The other projects ignore titles in metadata, so the title is part of the text.
        documents = [(url, f"# {title}\n\n{text}") for _, url, title, text in _documents(engine)]
        (folder / "documents.json").write_text(json.dumps(documents))
        (folder / "questions.json").write_text(json.dumps(list(asked)))

        def run(step: str) -> None:
            command = [environments.python(name, packages), "-c", program, step, directory, _socket(engine)]
            subprocess.run(command, check=True, capture_output=True, text=True)

        run("chunk")
        texts = [text for _, text in json.loads((folder / "chunks.json").read_text())]
        np.save(folder / "vectors.npy", CachedEncoder(encoder, engine.store.embeddings).encode(texts))
        np.save(folder / "questions.npy", np.stack([encoder.encode_query(question) for question in asked]))
        run("search")
        return [_first_documents(urls) for urls in json.loads((folder / "found.json").read_text())]


_PREAMBLE = """
import json, sys
import numpy as np
step, folder, socket = sys.argv[1:]
read = lambda name: json.load(open(f"{folder}/{name}.json"))
write = lambda name, value: json.dump(value, open(f"{folder}/{name}.json", "w"))
"""
# The splitter and sizes of its documentation; hybrid search with the default fusion.
_LANGCHAIN = (
    _PREAMBLE
    + """
if step == "chunk":
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    write("chunks", [[url, part] for url, text in read("documents") for part in splitter.split_text(text)])
    sys.exit()
from langchain_core.embeddings import Embeddings
from langchain_postgres import PGEngine, PGVectorStore
from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig
chunks, questions = read("chunks"), read("questions")
vectors, asked = np.load(folder + "/vectors.npy"), dict(zip(questions, np.load(folder + "/questions.npy").tolist()))
class Known(Embeddings):
    def embed_documents(self, texts): raise NotImplementedError
    def embed_query(self, text): return asked[text]
engine = PGEngine.from_connection_string(f"postgresql+psycopg://postgres@/postgres?host={socket}")
config = HybridSearchConfig(tsv_column="tsv", tsv_lang="pg_catalog.english", primary_top_k=50, secondary_top_k=50)
engine.init_vectorstore_table("peer_langchain", vectors.shape[1], hybrid_search_config=config, overwrite_existing=True)
store = PGVectorStore.create_sync(engine, Known(), "peer_langchain", hybrid_search_config=config)
for start in range(0, len(chunks), 1000):
    part = chunks[start:start + 1000]
    store.add_embeddings([text for _, text in part], vectors[start:start + 1000].tolist(), [{"url": url} for url, _ in part])
write("found", [[found.metadata["url"] for found in store.similarity_search(question, k=50)] for question in questions])
"""
)
# The splitter and sizes of its documentation; both retrievers, joined by reciprocal rank fusion.
_HAYSTACK = (
    _PREAMBLE
    + """
from haystack import Document
if step == "chunk":
    from haystack.components.preprocessors import DocumentSplitter
    splitter = DocumentSplitter(split_by="word", split_length=200, split_overlap=20)
    splitter.warm_up()
    documents = [Document(content=text, meta={"url": url}) for url, text in read("documents")]
    write("chunks", [[part.meta["url"], part.content] for part in splitter.run(documents=documents)["documents"]])
    sys.exit()
from haystack.components.joiners import DocumentJoiner
from haystack.utils import Secret
from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever, PgvectorKeywordRetriever
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore
chunks, questions = read("chunks"), read("questions")
vectors, asked = np.load(folder + "/vectors.npy"), np.load(folder + "/questions.npy").tolist()
store = PgvectorDocumentStore(connection_string=Secret.from_token(f"postgresql://postgres@/postgres?host={socket}"), table_name="peer_haystack", embedding_dimension=vectors.shape[1], recreate_table=True)
store.write_documents([Document(id=str(number), content=text, meta={"url": url}, embedding=vector.tolist()) for number, ((url, text), vector) in enumerate(zip(chunks, vectors))])
dense, words = PgvectorEmbeddingRetriever(document_store=store, top_k=50), PgvectorKeywordRetriever(document_store=store, top_k=50)
joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion")
found = []
for question, vector in zip(questions, asked):
    both = [dense.run(query_embedding=vector)["documents"], words.run(query=question)["documents"]]
    found.append([document.meta["url"] for document in joiner.run(documents=both)["documents"]])
write("found", found)
"""
)
