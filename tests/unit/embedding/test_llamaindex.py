import asyncio
import doctest
import pickle
from pathlib import Path

import numpy as np
import pytest
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from llama_index.embeddings.openai import OpenAIEmbedding

import rag.embedding.llamaindex
from rag.embedding import LocalEncoder
from rag.embedding.llamaindex import EncoderEmbedding, LocalEmbedding, open_embedding
from rag.embedding.remote import Endpoint, RemoteEncoder
from rag.errors import ConfigurationError
from tests.servers.openai import OpenAIServer
from tests.unit.embedding.conftest import Reference

MODEL = "local/all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def embedding(model_home: Path) -> LocalEmbedding:
    return LocalEmbedding(model_home, precision="fp32")


def test_every_method_gives_the_vectors_of_the_encoder(
    embedding: LocalEmbedding, fp32: LocalEncoder, reference: Reference
):
    texts = reference.texts[10:20]

    async def asynchronously() -> list[list[list[float]]]:
        return [
            [await embedding.aget_query_embedding(texts[0])],
            [await embedding.aget_text_embedding(texts[0])],
            await embedding.aget_text_embedding_batch(texts),
        ]

    for vectors in (
        [embedding.get_query_embedding(texts[0])],
        [embedding.get_text_embedding(texts[0])],
        embedding.get_text_embedding_batch(texts),
        *asyncio.run(asynchronously()),
    ):
        assert isinstance(vectors[0], list)
        assert np.allclose(vectors, fp32.encode_queries(texts[: len(vectors)]), atol=1e-5)


def test_the_embedding_works_in_an_ingestion_pipeline(embedding: LocalEmbedding):
    nodes = IngestionPipeline(transformations=[embedding]).run(documents=[Document(text="Keys are rotated weekly.")])

    assert len(nodes[0].embedding) == 384


def test_the_embedding_survives_serialisation(embedding: LocalEmbedding):
    expected = embedding.get_query_embedding("key")

    for copy in (LocalEmbedding.from_dict(embedding.to_dict()), pickle.loads(pickle.dumps(embedding))):
        assert (copy.model_name, copy.precision) == (MODEL, "fp32")
        assert copy.get_query_embedding("key") == expected


def test_the_example_in_the_docstring_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    results = doctest.testmod(rag.embedding.llamaindex)

    assert results.attempted > 5
    assert results.failed == 0


def test_a_remote_encoder_is_an_embedding_too():
    with OpenAIServer() as server:
        endpoint = Endpoint.of("openai/m", api_key=server.key, base_url=server.url)
        embedding = EncoderEmbedding(RemoteEncoder(endpoint))

        assert np.allclose(embedding.get_text_embedding("key"), server.vector("key"), atol=1e-6)
        assert embedding.model_name == "openai/m"


def test_a_setting_opens_the_local_model(tmp_path: Path):
    embedding = open_embedding(MODEL, home=tmp_path)

    assert isinstance(embedding, LocalEmbedding)
    assert embedding.encoder.dimension == 384


def test_a_setting_opens_any_model_of_a_compatible_server(tmp_path: Path):
    with OpenAIServer() as server:
        embedding = open_embedding("openai/unheard-of", home=tmp_path, api_key=server.key, base_url=server.url)

        assert isinstance(embedding, OpenAIEmbedding)
        assert np.allclose(embedding.get_text_embedding("key"), server.vector("key"), atol=1e-6)
        assert server.requests[0].body["model"] == "unheard-of"


def test_a_setting_opens_ollama(tmp_path: Path):
    assert open_embedding("ollama/nomic-embed-text", home=tmp_path).api_base == "http://localhost:11434/v1"


def test_a_wrong_setting_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="choose from local/all-MiniLM-L6-v2, openai/NAME, ollama/NAME"):
        open_embedding("cohere/embed", home=tmp_path)
    with pytest.raises(ConfigurationError, match="set OPENAI_API_KEY"):
        open_embedding("openai/text-embedding-3-small", home=tmp_path)
