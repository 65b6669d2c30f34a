"""The embedding models as LlamaIndex components, for any pipeline or index of LlamaIndex."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from rag.embedding.encoder import Encoder, open_encoder
from rag.embedding.local import LocalEncoder, Precision
from rag.embedding.models.named import ModelName
from rag.embedding.remote import TIMEOUT, Endpoint

__all__ = ["EncoderEmbedding", "LocalEmbedding", "open_embedding"]

# An encoder sorts the texts of a call by length and splits them between cores or requests: enough texts for that.
_BATCH = 256
_REMOTE_BATCH = 128
_REMOTE_WORKERS = 4
# OpenAIEmbedding retries around a client that retries as often: 3 × 4 requests at most.
_REMOTE_RETRIES = 3


class EncoderEmbedding(BaseEmbedding):
    """An encoder of `rag.embedding`, local or remote, as a LlamaIndex embedding.

    The asynchronous methods run in a thread and leave the event loop free.
    """

    _encoder: Encoder = PrivateAttr()

    def __init__(
        self,
        encoder: Encoder,
        *,
        embed_batch_size: int = _BATCH,
        **options: Any,  # noqa: ANN401 - BaseEmbedding's own options
    ) -> None:
        options.setdefault("model_name", encoder.model)
        super().__init__(embed_batch_size=embed_batch_size, **options)
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in LlamaIndex."""
        return cls.__name__

    @property
    def encoder(self) -> Encoder:
        """The wrapped encoder."""
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

    Vectors are lists of 384 floats, of unit length. The model reads the first 256 tokens of a text.
    """

    home: Path = Field(description="Its folder models holds the model's graph.")
    precision: Precision = Field(default="auto", description="The precision for a corpus: auto, fp32 or bf16.")

    def __init__(self, home: Path, *, precision: Precision = "auto", **options: Any) -> None:  # noqa: ANN401
        super().__init__(LocalEncoder(home, precision=precision), home=home, precision=precision, **options)


def open_embedding(model: str, *, home: Path, api_key: str | None = None, base_url: str | None = None) -> BaseEmbedding:
    """Return the LlamaIndex embedding of a model.

    The parameters are those of `rag.embedding.open_encoder`. A remote model is LlamaIndex's own `OpenAIEmbedding`,
    which raises the openai client's errors.

    :raises ConfigurationError: the model is unknown, or its key is missing
    """
    if model == LocalEncoder.model:
        return LocalEmbedding(home)
    if ModelName.parse(model):
        return EncoderEmbedding(open_encoder(model, home=home))
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
