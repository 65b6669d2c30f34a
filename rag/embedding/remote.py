"""Embedding models of OpenAI, Ollama, and any other server that speaks OpenAI's API."""

from __future__ import annotations

import base64
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.embedding.parallel import in_parallel
from rag.errors import ConfigurationError, EmbeddingError
from rag.llm.failures import is_too_long, server_message
from rag.llm.replies import error_text
from rag.text.lines import one_line

if TYPE_CHECKING:
    import openai

__all__ = ["Endpoint", "RemoteEncoder"]

log = logging.getLogger(__name__)

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
# The longest time for a whole reply, in timeouts.
_WHOLE = 2
# The openai client waits 0.5 s, doubled each time up to 8 s, or the server's Retry-After: a corpus is retried for
# 24 s, a question for 1.5 s.
_CORPUS_RETRIES = 6
_QUERY_RETRIES = 2

# An estimate: three letters or one other character per token, and two or three tokens for a character outside ASCII,
# by its bytes in UTF-8. OpenAI's tokenizers make fewer tokens of prose and of code.
_TOKEN = re.compile(r"[A-Za-z]{1,3}|\S", re.ASCII)


# The statuses with which servers refuse a text: too long, not valid, or with a vector that they cannot write as JSON.
_TEXT_STATUSES = frozenset({400, 413, 422, 500})
# A text that every embedding model has a vector for.
_PROBE = "word"
# A text of so few characters, or a vector so short, is not the reason of a refusal, or no vector.
_SHORTEST, _NO_LENGTH = 16, 1e-12

Vector = NDArray[np.float32]


class _TextRefused(EmbeddingError):  # noqa: N818 - not named *Error: a condition
    """The server refuses a request, maybe for one of its texts."""

    def __init__(self, message: str, *, is_too_long: bool) -> None:
        super().__init__(message)
        self.is_too_long = is_too_long


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
            "choose from local/all-MiniLM-L6-v2, openai/NAME, ollama/NAME, local:FOLDER, hf:NAME."
        )


class RemoteEncoder:
    """Requests vectors of unit length from a server; the counterpart of `LocalEncoder`.

    A server may refuse one text, or return numbers for it that are no vector. `encode` then has NaN in its row, and all
    others are kept; if it has no vector for any text, that is an error.

    It uses the openai client directly: LlamaIndex's `OpenAIEmbedding` (see `open_embedding`) retries around the
    client's own retries, and takes 1.3 s to import.

    :param timeout: seconds for one request
    :param corpus_retries: how often a request of many texts is sent again
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = TIMEOUT, corpus_retries: int = _CORPUS_RETRIES) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._corpus_retries = corpus_retries
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
        if known is not None:
            return known
        (vector,) = self._request([_PROBE], _QUERY_RETRIES)
        if vector is None:
            raise _not_openai(self._endpoint)
        return len(vector)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text, with few retries; of a text that is too long for the server, the beginning.

        :return: shape (dimension,), unit length
        :raises EmbeddingError: the request failed, after 2 retries, or the server has no vector for the text
        """
        vector: Vector = self._encode([text], _QUERY_RETRIES)[0]
        if not np.isfinite(vector[0]):
            raise EmbeddingError(
                f"{self._endpoint.base_url} (embedding model {self.model}) has no vector for this text."
            )
        return vector

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few texts, with few retries.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`; zeros where there is no vector
        :raises EmbeddingError: a request failed, after 2 retries
        """
        return np.nan_to_num(self._encode(texts, _QUERY_RETRIES), copy=False)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts, four requests at a time.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`; NaN where there is no vector
        :raises EmbeddingError: a request failed, after 6 retries
        """
        return self._encode(texts, self._corpus_retries)

    def _encode(self, texts: Sequence[str], retries: int) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        parts = in_parallel(
            lambda batch: self._vectors(batch, retries), self._batches(texts), threads=_PARALLEL_REQUESTS
        )
        rows = [row for part in parts for row in part]
        found = [row for row in rows if row is not None] or [
            row for row in self._request([_PROBE], 0) if row is not None
        ]
        if not found:
            raise EmbeddingError(
                f"{self._endpoint.base_url} (embedding model {self.model}) returned an invalid vector: "
                "check that it is an embedding model."
            )
        dimension = self.dimension
        common = Counter(map(len, found)).most_common(1)[0][0]
        if common != dimension:
            raise EmbeddingError(
                f"{self._endpoint.base_url} returned vectors of {common} dimensions for {self.model}, "
                f"which has {dimension}; does it serve another model under this name?"
            )
        none = np.full(dimension, np.nan, np.float32)
        return np.stack([none if row is None or len(row) != dimension else row for row in rows])

    def count_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, too high rather than too low; needs no tokenizer."""
        return sum(map(_estimated_tokens, _TOKEN.findall(text)))

    @cached_property
    def _client(self) -> openai.OpenAI:
        import openai

        from rag.net.bounded import bounded

        return openai.OpenAI(
            api_key=self._endpoint.api_key,
            base_url=self._endpoint.base_url,
            timeout=self._timeout,
            http_client=bounded(openai.DefaultHttpxClient(timeout=self._timeout), whole=_WHOLE * self._timeout),
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

    def _vectors(self, texts: list[str], retries: int) -> list[Vector | None]:
        """Return the vector of each text; None where the server refuses the text, or has no vector for it.

        :raises EmbeddingError: the server refuses any text
        """
        try:
            return self._request(texts, retries)
        except _TextRefused as refusal:
            if len(texts) == 1 and not refusal.is_too_long:
                self._check_server(texts[0], refusal)
                return [None]
            if len(texts) == 1 and len(texts[0]) <= _SHORTEST:
                raise
            if len(texts) > 1:
                self._request([_PROBE], 0)  # fails if it is the server, and not one of the texts
        if len(texts) == 1:
            return self._vectors([texts[0][: len(texts[0]) // 2]], retries)
        middle = len(texts) // 2
        return [*self._vectors(texts[:middle], 1), *self._vectors(texts[middle:], 1)]

    def _check_server(self, text: str, refusal: _TextRefused) -> None:
        """Log the refusal of a text, if it is not the server that refuses.

        :raises EmbeddingError: the server refuses any text
        """
        if text == _PROBE:
            raise refusal
        try:
            self._request([_PROBE], 0)
        except EmbeddingError:
            raise refusal from None
        log.warning("%s The text begins with %r.", refusal, one_line(text)[:60])

    def _request(self, texts: list[str], retries: int) -> list[Vector | None]:
        with _translating_errors(self._endpoint):
            # The client's default, base64, is refused by some servers, and others ignore what is asked for. OpenAI
            # rejects an empty text, but not a space.
            reply = self._client.with_options(max_retries=retries).embeddings.create(
                model=self._endpoint.name, input=[text or " " for text in texts], encoding_format="float"
            )
            rows = list(reply.data)
            numbers = [getattr(row, "index", None) for row in rows]
            if sorted(numbers, key=str) == sorted(range(len(rows)), key=str):  # Gemini's have no index
                rows = [row for _, row in sorted(zip(numbers, rows, strict=True), key=lambda pair: pair[0] or 0)]
            vectors = [_vector(row.embedding) for row in rows]
        if len(vectors) != len(texts):
            raise _not_openai(self._endpoint)
        return vectors


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
        message = f"{where} answered {error.status_code}: {server_message(error)}"
        if error.status_code in _TEXT_STATUSES:
            raise _TextRefused(message, is_too_long=is_too_long(error_text(error.body) or error.message)) from error
        raise EmbeddingError(message) from error
    except OverflowError as error:  # in the client, which converts the numbers of the whole reply
        message = f"{where} returned a number that is too large."
        raise _TextRefused(message, is_too_long=False) from error
    except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
        # The client raises any of these for an unexpected reply.
        raise _not_openai(endpoint) from error


def _vector(row: object) -> Vector | None:
    """Return a vector of unit length; None if a row of numbers has none, since it is not finite or has no length.

    :raises ValueError: it is not a row of numbers
    """
    try:
        if isinstance(row, str):
            vector = np.frombuffer(base64.b64decode(row, validate=True), "<f4").astype(np.float32)
        else:
            with np.errstate(over="ignore"):
                vector = np.array(row, np.float32)
    except (TypeError, OverflowError):  # a number is null, or has hundreds of digits
        return None
    if vector.ndim != 1 or not len(vector):
        raise ValueError("not a vector")
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(vector.astype(np.float64)))
    return (vector / norm).astype(np.float32) if np.isfinite(norm) and norm > _NO_LENGTH else None


def _estimated_tokens(piece: str) -> int:
    return 1 if piece.isascii() else max(2, len(piece.encode("utf-8", "replace")) - 1)


def _not_openai(endpoint: Endpoint) -> EmbeddingError:
    return EmbeddingError(f"{endpoint.base_url} did not reply like OpenAI's embeddings API: check OPENAI_BASE_URL.")
