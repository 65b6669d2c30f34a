"""Embedding models of OpenAI, Ollama, and any other server that speaks OpenAI's API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.errors import ConfigurationError, EmbeddingError
from rag.text.lines import one_line

if TYPE_CHECKING:
    import openai

__all__ = ["Endpoint", "RemoteEncoder"]

_OPENAI_URL = "https://api.openai.com/v1"
_OLLAMA_URL = "http://localhost:11434/v1"

_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_OPENAI_MAX_TOKENS = 8191
# Servers truncate longer texts silently. Most models read at least this many tokens; all-minilm reads fewer.
_OTHER_MAX_TOKENS = 512
_MAX_TOKENS = {"all-minilm": 256}

# OpenAI's limits are 2,048 texts and 300,000 tokens per request; Ollama embeds a request's texts one by one.
_BATCH_TEXTS = 128
_BATCH_TOKENS = 100_000
_PARALLEL_REQUESTS = 4

#: seconds; Ollama loads a model on its first request
TIMEOUT = 60.0
# The openai client waits 0.5 s, doubled each time up to 8 s, or the server's Retry-After: a corpus is retried for
# 24 s, a question for 1.5 s.
_CORPUS_RETRIES = 6
_QUERY_RETRIES = 2

# An estimate: three letters or one other character per token, and two or three tokens for a character outside ASCII,
# by its bytes in UTF-8. OpenAI's tokenizers make fewer tokens of prose and of code.
_TOKEN = re.compile(r"[A-Za-z]{1,3}|\S", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model on a server."""

    #: the value of RAG_EMBEDDING_MODEL, such as openai/text-embedding-3-small
    model: str
    #: the server's name for the model
    name: str
    base_url: str
    api_key: str

    @classmethod
    def of(cls, model: str, *, api_key: str | None, base_url: str | None) -> Endpoint:
        """Parse a setting such as openai/text-embedding-3-small or ollama/nomic-embed-text.

        :raises ConfigurationError: the provider is unknown, or OpenAI's key is missing
        """
        kind, _, name = model.partition("/")
        if kind == "openai" and name:
            if not api_key:
                raise ConfigurationError(
                    f"The embedding model {model} needs a key: set OPENAI_API_KEY, "
                    "or choose the local model with RAG_EMBEDDING_MODEL=local/all-MiniLM-L6-v2."
                )
            return cls(model, name, base_url or _OPENAI_URL, api_key)
        if kind == "ollama" and name:
            # The client requires a key, which Ollama ignores. OpenAI's key goes only to a server that the user named.
            return cls(model, name, base_url or _OLLAMA_URL, (api_key if base_url else None) or "ollama")
        raise ConfigurationError(
            f"RAG_EMBEDDING_MODEL: unknown model {model!r}; "
            "choose from local/all-MiniLM-L6-v2, openai/NAME, ollama/NAME."
        )


class RemoteEncoder:
    """Requests vectors of unit length from a server; the counterpart of `LocalEncoder`.

    It uses the openai client directly: LlamaIndex's `OpenAIEmbedding` (see `open_embedding`) retries around the
    client's own retries, and takes 1.3 s to import.

    :param timeout: seconds for one request
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = TIMEOUT) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self.model = endpoint.model
        self.max_tokens = (
            _OPENAI_MAX_TOKENS
            if endpoint.name in _DIMENSIONS
            else _MAX_TOKENS.get(endpoint.name.partition(":")[0], _OTHER_MAX_TOKENS)
        )

    @cached_property
    def dimension(self) -> int:
        """The dimension of the vectors: known for OpenAI's models, else measured by embedding one word.

        :raises EmbeddingError: the request failed
        """
        known = _DIMENSIONS.get(self._endpoint.name)
        return known if known is not None else self._request(["word"], _QUERY_RETRIES).shape[1]

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text, with few retries.

        :return: shape (dimension,), unit length
        :raises EmbeddingError: the request failed, after 2 retries
        """
        vector: NDArray[np.float32] = self.encode_queries([text])[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few texts, with few retries.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`
        :raises EmbeddingError: a request failed, after 2 retries
        """
        return self._encode(texts, _QUERY_RETRIES)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts, four requests at a time.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`
        :raises EmbeddingError: a request failed, after 6 retries
        """
        return self._encode(texts, _CORPUS_RETRIES)

    def _encode(self, texts: Sequence[str], retries: int) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
            requests = [pool.submit(self._request, batch, retries) for batch in self._batches(texts)]
            try:
                vectors = np.concatenate([request.result() for request in requests])
            except EmbeddingError:
                pool.shutdown(cancel_futures=True)
                raise
        if vectors.shape[1] != self.dimension:
            raise EmbeddingError(
                f"{self._endpoint.base_url} returned vectors of {vectors.shape[1]} dimensions for {self.model}, "
                f"which has {self.dimension}; does it serve another model under this name?"
            )
        return vectors

    def count_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, too high rather than too low; needs no tokenizer."""
        return sum(map(_estimated_tokens, _TOKEN.findall(text)))

    @cached_property
    def _client(self) -> openai.OpenAI:
        import openai

        return openai.OpenAI(
            api_key=self._endpoint.api_key,
            base_url=self._endpoint.base_url,
            timeout=self._timeout,
        )

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        tokens = 0
        for text in texts:
            count = self.count_tokens(text)
            if batch and (len(batch) == _BATCH_TEXTS or tokens + count > _BATCH_TOKENS):
                yield batch
                batch, tokens = [], 0
            batch.append(text)
            tokens += count
        yield batch

    def _request(self, texts: list[str], retries: int) -> NDArray[np.float32]:
        with _translating_errors(self._endpoint):
            # OpenAI rejects an empty text, but not a space.
            answer = self._client.with_options(max_retries=retries).embeddings.create(
                model=self._endpoint.name, input=[text or " " for text in texts]
            )
            rows = sorted(answer.data, key=lambda row: row.index)
            vectors = np.array([row.embedding for row in rows], np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise _not_openai(self._endpoint)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit


@contextmanager
def _translating_errors(endpoint: Endpoint) -> Iterator[None]:
    """Raise the openai client's errors as `EmbeddingError`, with one line that says what to do."""
    import openai

    where = f"{endpoint.base_url} (embedding model {endpoint.model})"
    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        message = f"{where} refused the key: check OPENAI_API_KEY, and that it may use this model."
        raise EmbeddingError(message) from error
    except openai.NotFoundError as error:
        message = (
            f"{where} does not know the model: run `ollama pull {endpoint.name}`."
            if endpoint.model.startswith("ollama/")
            else f"{where} does not know the model: check RAG_EMBEDDING_MODEL and OPENAI_BASE_URL."
        )
        raise EmbeddingError(message) from error
    except openai.RateLimitError as error:
        message = (
            f"{where} reports that the account's quota is used up: add credit, or choose the local model."
            if error.code == "insufficient_quota"
            else f"{where} is over its rate limit, after every retry: try again later."
        )
        raise EmbeddingError(message) from error
    except openai.APITimeoutError as error:
        raise EmbeddingError(f"{where} did not answer in time: try again later.") from error
    except openai.APIConnectionError as error:
        message = (
            f"{where} cannot be reached: start it with `ollama serve`, or set OPENAI_BASE_URL."
            if endpoint.model.startswith("ollama/")
            else f"{where} cannot be reached: check the network and OPENAI_BASE_URL."
        )
        raise EmbeddingError(message) from error
    except openai.APIStatusError as error:
        raise EmbeddingError(f"{where} answered {error.status_code}: {_reason(error)}") from error
    except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
        # The client raises any of these for an unexpected reply.
        raise _not_openai(endpoint) from error


def _estimated_tokens(piece: str) -> int:
    return 1 if piece.isascii() else max(2, len(piece.encode("utf-8", "replace")) - 1)


def _reason(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return one_line(message or error.message)


def _not_openai(endpoint: Endpoint) -> EmbeddingError:
    return EmbeddingError(f"{endpoint.base_url} did not reply like OpenAI's embeddings API: check OPENAI_BASE_URL.")
