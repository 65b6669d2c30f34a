"""Embedding models behind OpenAI's API: OpenAI's own, Ollama's, and any server that speaks it."""

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

if TYPE_CHECKING:
    import openai

__all__ = ["Endpoint", "RemoteEncoder"]

_OPENAI_URL = "https://api.openai.com/v1"
_OLLAMA_URL = "http://localhost:11434/v1"

_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_OPENAI_MAX_TOKENS = 8191
# Servers cut longer texts off without a word. Most models read at least this much; all-minilm reads less.
_OTHER_MAX_TOKENS = 512
_MAX_TOKENS = {"all-minilm": 256}

# OpenAI takes 2,048 texts and 300,000 tokens a request; Ollama works on a request's texts one by one.
_BATCH_TEXTS = 128
_BATCH_TOKENS = 100_000
_PARALLEL_REQUESTS = 4

#: seconds; Ollama loads a model on its first request
TIMEOUT = 60.0
# Waits are 0.5 s, doubled each time up to 8 s, or what the server asks for: a corpus holds out 24 s, a person
# who asks a question of a server that is down hears of it after 1.5 s.
_CORPUS_RETRIES = 6
_QUERY_RETRIES = 2

# Three letters, or one other character, count as a token, and a character outside ASCII as two or
# three, after the bytes it has in UTF-8: OpenAI's tokenizers find fewer in prose and in code.
_TOKEN = re.compile(r"[A-Za-z]{1,3}|\S", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model on a server: where it is, and what it is called there."""

    #: the setting it came from, such as openai/text-embedding-3-small
    model: str
    name: str
    base_url: str
    api_key: str

    @classmethod
    def of(cls, model: str, *, api_key: str | None, base_url: str | None) -> Endpoint:
        """Read a setting such as openai/text-embedding-3-small or ollama/nomic-embed-text.

        :raises ConfigurationError: the setting names no kind of model that there is, or OpenAI's key is missing
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
            # Ollama wants some key and reads none. OpenAI's is not sent to a server that nobody named.
            return cls(model, name, base_url or _OLLAMA_URL, (api_key if base_url else None) or "ollama")
        raise ConfigurationError(
            f"There is no embedding model {model!r}; "
            "RAG_EMBEDDING_MODEL takes local/all-MiniLM-L6-v2, openai/NAME or ollama/NAME."
        )


class RemoteEncoder:
    """Turns texts into vectors of unit length by asking a server; what `LocalEncoder` is for the local model.

    It talks to the openai client directly. `OpenAIEmbedding` of LlamaIndex (see `open_embedding`) retries a
    second time around the client's own retries, and costs a process 1.3 s to import.

    :param timeout: seconds that one request may take
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
        """The length of a vector: known for OpenAI's models, else found by embedding one word.

        :raises EmbeddingError: the server could not be asked
        """
        known = _DIMENSIONS.get(self._endpoint.name)
        return known if known is not None else self._request(["word"], _QUERY_RETRIES).shape[1]

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text, giving up soon.

        :return: shape (dimension,), unit length
        :raises EmbeddingError: the server could not be asked, after 2 retries
        """
        vector: NDArray[np.float32] = self.encode_queries([text])[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few texts, giving up soon.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`
        :raises EmbeddingError: the server could not be asked, after 2 retries
        """
        return self._encode(texts, _QUERY_RETRIES)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts, four requests at a time.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`
        :raises EmbeddingError: the server could not be asked, after 6 retries
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
                f"{self._endpoint.base_url} gave vectors of {vectors.shape[1]} numbers for {self.model}, "
                f"which has {self.dimension}; is another model served under its name?"
            )
        return vectors

    def count_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, high rather than low: no tokenizer is downloaded for it."""
        return len(self.token_offsets(text))

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each estimated token starts and ends, in characters.

        Several tokens share the character that they are the bytes of.
        """
        return [match.span() for match in _TOKEN.finditer(text) for _ in range(_tokens_of(match[0]))]

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
        with _explained(self._endpoint):
            # An empty text is refused by OpenAI; a space is not.
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
def _explained(endpoint: Endpoint) -> Iterator[None]:
    """Turn what the openai client raises into one line that says what to do."""
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
            f"{where} says that the account's quota is used up: add credit, or choose the local model."
            if error.code == "insufficient_quota"
            else f"{where} limits the rate and did so after every retry: try again later."
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
        # A reply of another shape surfaces in the client as any of these.
        raise _not_openai(endpoint) from error


def _tokens_of(piece: str) -> int:
    return 1 if piece.isascii() else max(2, len(piece.encode("utf-8", "replace")) - 1)


def _reason(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error.message).split())


def _not_openai(endpoint: Endpoint) -> EmbeddingError:
    return EmbeddingError(
        f"{endpoint.base_url} does not answer as OpenAI's embeddings API does: check OPENAI_BASE_URL."
    )
