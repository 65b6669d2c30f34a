"""The interface of an embedding model, and the model that a setting names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embedding.local import GraphEncoder, LocalEncoder
from rag.embedding.models.named import ModelName

if TYPE_CHECKING:
    from rag.embedding.models.sentence_model import SentenceModel

__all__ = ["Encoder", "ForwardingEncoder", "open_encoder"]


class Encoder(Protocol):
    """Turns texts into float32 vectors of unit length, and counts tokens as its model does.

    Every method is thread-safe.
    """

    @property
    def model(self) -> str:
        """The value of RAG_EMBEDDING_MODEL for this model, such as local/all-MiniLM-L6-v2."""

    @property
    def dimension(self) -> int:
        """The dimension of the vectors."""

    @property
    def max_tokens(self) -> int:
        """The number of tokens that the model reads of a text, special tokens included; it ignores the rest."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text: shape (dimension,)."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few short texts with low latency: shape (len(texts), dimension), in their order."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts with high throughput: shape (len(texts), dimension), in their order.

        The row of a text for which the model has no vector is NaN.
        """

    def count_tokens(self, text: str) -> int:
        """Count the tokens of the whole text, special tokens excluded."""


class ForwardingEncoder:
    """An encoder in front of another one, to which it forwards what its subclass does not do itself."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def model(self) -> str:
        """The value of RAG_EMBEDDING_MODEL for the encoder's model."""
        return self._encoder.model

    @property
    def dimension(self) -> int:
        """The dimension of the vectors."""
        return self._encoder.dimension

    @property
    def max_tokens(self) -> int:
        """The number of tokens that the model reads of a text, special tokens included."""
        return self._encoder.max_tokens

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text: shape (dimension,)."""
        return self._encoder.encode_query(text)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few short texts with low latency: shape (len(texts), dimension), in their order."""
        return self._encoder.encode_queries(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts: shape (len(texts), dimension), in their order."""
        return self._encoder.encode(texts)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of the whole text, special tokens excluded."""
        return self._encoder.count_tokens(text)


def open_encoder(model: str, *, home: Path, api_key: str | None = None, base_url: str | None = None) -> Encoder:
    """Return the encoder of a model, which loads nothing and sends no request until it is used.

    For a model in a folder or on the hub, its configuration files are read; the files of hf:NAME are downloaded first
    if they are not on this disk.

    :param model: local/all-MiniLM-L6-v2, openai/NAME, ollama/NAME, local:FOLDER or hf:NAME
    :param home: its folder `models` holds the local model's graph
    :param api_key: the key for OpenAI, or for the server at `base_url`
    :param base_url: the URL of a server that speaks OpenAI's API, such as http://localhost:8000/v1
    :raises ConfigurationError: the model is unknown, its key is missing, or its folder holds no model that can be used
    """
    if model == LocalEncoder.model:
        return _local_encoder(home)
    if named := ModelName.parse(model):
        return _folder_encoder(named, home)
    # Commands that use a local model start sooner without it.
    from rag.embedding.remote import Endpoint, RemoteEncoder

    return RemoteEncoder(Endpoint.of(model, api_key=api_key, base_url=base_url))


@cache
def _local_encoder(home: Path) -> LocalEncoder:
    """Return the one local encoder of this process: loading its model takes 0.7 s and 90 MB for each runtime."""
    return LocalEncoder(home)


def _folder_encoder(named: ModelName, home: Path) -> GraphEncoder:
    from rag.embedding.models.sentence_model import SentenceModel

    files = SentenceModel.read(named.folder())
    return _shared_encoder(named.checked(files.fingerprint), files, home)


@cache
def _shared_encoder(name: str, files: SentenceModel, home: Path) -> GraphEncoder:
    """Return the one encoder of a model in this process."""
    return GraphEncoder(name, files, home)
