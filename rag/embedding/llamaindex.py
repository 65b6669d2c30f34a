"""The embedding models as LlamaIndex components, for any pipeline or index of LlamaIndex."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from rag.embedding.encoder import Encoder
from rag.embedding.local import LocalEncoder, Precision
from rag.embedding.remote import TIMEOUT, Endpoint

__all__ = ["EncoderEmbedding", "LocalEmbedding", "open_embedding"]

# An encoder sorts a batch by length and shares it out to the cores or to requests: enough texts for that.
_BATCH = 256
_REMOTE_BATCH = 128
_REMOTE_WORKERS = 4
# OpenAIEmbedding retries this often around a client that itself retries this often: 3 x 4 requests at most.
_REMOTE_RETRIES = 3


class EncoderEmbedding(BaseEmbedding):
    """Any encoder of `rag.embedding`, local or remote, where LlamaIndex wants an embedding.

    The asynchronous methods work in a thread, so that the event loop stays free.
    """

    _encoder: Encoder = PrivateAttr()

    def __init__(
        self,
        encoder: Encoder,
        *,
        embed_batch_size: int = _BATCH,
        **options: Any,  # noqa: ANN401 - whatever BaseEmbedding takes
    ) -> None:
        options.setdefault("model_name", encoder.model)
        super().__init__(embed_batch_size=embed_batch_size, **options)
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex knows this class by."""
        return cls.__name__

    @property
    def encoder(self) -> Encoder:
        """The encoder underneath: numpy in and out, and the tokenizer."""
        return self._encoder

    def _get_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = self._encoder.encode_query(query).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = self._encoder.encode(texts).tolist()
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class LocalEmbedding(EncoderEmbedding):
    """all-MiniLM-L6-v2 on this machine's CPU: no key, no network, no torch.

        >>> from pathlib import Path
        >>> from llama_index.core import Document, VectorStoreIndex
        >>> from rag.embedding.llamaindex import LocalEmbedding
        >>> embedding = LocalEmbedding(home=Path("~/.cache/rag").expanduser())
        >>> pages = [Document(text="Keys are rotated weekly."), Document(text="Pour the batter into a tin.")]
        >>> index = VectorStoreIndex.from_documents(pages, embed_model=embedding)
        >>> index.as_retriever(similarity_top_k=1).retrieve("When does a key change?")[0].text
        'Keys are rotated weekly.'

    Vectors are lists of 384 floats, of unit length. A text is read up to its 256th token.
    """

    home: Path = Field(description="The model's graph is kept in the folder models in here.")
    precision: Precision = Field(default="auto", description="What a corpus is embedded in: auto, fp32 or bf16.")

    def __init__(self, home: Path, *, precision: Precision = "auto", **options: Any) -> None:  # noqa: ANN401
        super().__init__(LocalEncoder(home, precision=precision), home=home, precision=precision, **options)


def open_embedding(model: str, *, home: Path, api_key: str | None = None, base_url: str | None = None) -> BaseEmbedding:
    """Return the LlamaIndex embedding that a setting names.

    The same settings as `rag.embedding.open_encoder` takes; remote models come as LlamaIndex's own
    `OpenAIEmbedding`, and raise the openai client's errors.

    :raises ConfigurationError: there is no such model, or its key is missing
    """
    if model == LocalEncoder.model:
        return LocalEmbedding(home)
    endpoint = Endpoint.of(model, api_key=api_key, base_url=base_url)
    from llama_index.embeddings.openai import OpenAIEmbedding

    return OpenAIEmbedding(
        model_name=endpoint.name,
        api_key=endpoint.api_key,
        api_base=endpoint.base_url,
        embed_batch_size=_REMOTE_BATCH,
        num_workers=_REMOTE_WORKERS,
        max_retries=_REMOTE_RETRIES,
        timeout=TIMEOUT,
    )
