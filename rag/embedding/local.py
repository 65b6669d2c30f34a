"""Embedding models on this machine's CPU, with low latency for a question and high throughput for a corpus.

Two runtimes read the same graph. onnxruntime embeds a question: it is ready 0.15 s after the process starts. OpenVINO
embeds a corpus: it computes in bfloat16 where the CPU has instructions for that, about twice as fast as either runtime
in float32. The difference between their vectors changes no ranking, so one index may hold both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from rag.embedding.models.bundled import bundled_graph
from rag.embedding.models.graph_files import GraphFiles
from rag.embedding.models.weights import TOKENIZER, read_verified
from rag.embedding.runtimes import compiled_model, compute, cores, has_fast_bf16, infer, inference_session
from rag.errors import ConfigurationError, EmbeddingError, RagError

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]
    import openvino  # type: ignore[import-untyped]
    import tokenizers

__all__ = ["GraphEncoder", "LocalEncoder", "LocalModel", "Precision"]

Precision = Literal["auto", "fp32", "bf16"]
Tokens = NDArray[np.int64]

MODEL = "local/all-MiniLM-L6-v2"

# 64 texts of 38 tokens take 155 ms in batches of about this size, 248 ms one by one and 287 ms in one batch.
_QUERY_BATCH_TOKENS = 320

# Measured on 2 cores with 400 chunks of 213 tokens, bf16: batches of 4, 8 and 16 texts give 143, 147 and 144
# chunks/s. A batch of shorter texts has more of them and as many tokens. Rounding widths up to a multiple of 16 makes
# fewer shapes, each of which a runtime prepares once: 152 chunks/s.
_BATCH_TOKENS = 2048
_WIDTH_STEP = 16
# Texts are tokenized in slices, which bounds the memory of the tokenizer's results: only ids are kept.
_TOKENIZER_SLICE = 256


class LocalModel(Protocol):
    """The files of an embedding model, and what they say about it."""

    @property
    def dimension(self) -> int:
        """The dimension of the vectors."""

    @property
    def max_tokens(self) -> int:
        """The tokens that the model reads of a text, special tokens included."""

    @property
    def query_prompt(self) -> str:
        """What is put before a question."""

    @property
    def document_prompt(self) -> str:
        """What is put before every other text."""

    @property
    def lower(self) -> bool:
        """Whether texts are lowercased first."""

    def load_tokenizer(self) -> tokenizers.Tokenizer:
        """Return the tokenizer, without truncation and padding."""

    def graph(self, folder: Path) -> GraphFiles:
        """Return the files of the graph in `folder`: TEXT_INPUTS to vectors of unit length."""


class Bundled:
    """all-MiniLM-L6-v2, from its Python package."""

    dimension = 384
    max_tokens = 256
    query_prompt = document_prompt = ""
    lower = False

    def load_tokenizer(self) -> tokenizers.Tokenizer:
        """Return the tokenizer, without truncation and padding.

        :raises EmbeddingError: the file is missing or altered
        """
        from tokenizers import Tokenizer

        tokenizer: tokenizers.Tokenizer = Tokenizer.from_buffer(read_verified(TOKENIZER))
        # The file configures truncation and padding at 128 tokens. The model reads 256, which _tokenize truncates to
        # and count_tokens must look beyond; padding depends on the batch.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def graph(self, folder: Path) -> GraphFiles:
        """Return the files of the graph in `folder`."""
        return bundled_graph(folder)


class GraphEncoder:
    """Turns texts into vectors of unit length, so that a dot product is a cosine.

    Model, tokenizer and runtimes are loaded on first use; every method is thread-safe.

    :param name: of the model, as an index stores it
    :param home: its folder `models` holds the model's graph, built on first use
    :param precision: the precision for a corpus; "auto" is bf16 where the CPU is fast at it. Questions are
        always embedded in fp32.
    :raises ConfigurationError: `precision` is unknown
    """

    def __init__(self, name: str, files: LocalModel, home: Path, *, precision: Precision = "auto") -> None:
        if precision not in get_args(Precision):
            raise ConfigurationError(f"Unknown precision {precision!r}; choose from auto, fp32, bf16.")
        self.model = name
        self._files = files
        self._home = home
        self._precision: Precision = precision
        self.dimension = files.dimension
        self._loading = Lock()
        self._encoding = Lock()

    def __reduce__(self) -> tuple[Callable[..., GraphEncoder], tuple[Any, ...]]:
        return partial(GraphEncoder, precision=self._precision), (self.model, self._files, self._home)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Load the parts for questions in a thread while the block runs; nothing if the graph is not built yet.

        An error in it is raised by the first question instead.
        """

        def prepare() -> None:
            with suppress(RagError):
                _ = self._session, self._tokenizer

        thread = threading.Thread(target=prepare, name="model")
        if self._graph.is_built():
            thread.start()
        try:
            yield
        finally:
            if thread.ident:
                thread.join()

    @property
    def max_tokens(self) -> int:
        """The tokens that the model reads of a text, start and end marks included; fewer if a prompt precedes it."""
        prompt = self._files.document_prompt
        return self._files.max_tokens - (self.count_tokens(prompt) if prompt else 0)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one question in fp32; all-MiniLM-L6-v2 takes 2 to 3 ms.

        :return: shape (dimension,), unit length
        :raises EmbeddingError: the model is missing, altered or cannot be loaded
        """
        vector: NDArray[np.float32] = self._encode_few([self._files.query_prompt + text])[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few short texts, such as the sentences of an answer, in fp32 and with low latency.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`
        :raises EmbeddingError: the model is missing, altered or cannot be loaded
        """
        return self._encode_few([self._files.document_prompt + text for text in texts])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts on all cores; a few hundred texts per call fill every batch.

        :return: shape (len(texts), dimension), unit length, in the order of `texts`
        :raises EmbeddingError: the model is missing, altered or cannot be loaded
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not texts:
            return vectors
        compiled = self._compiled
        tokens = self._tokenize([self._files.document_prompt + text for text in texts])
        batches = _batches(tokens, _BATCH_TOKENS)
        with self._encoding:
            infer(compiled, batches, lambda rows: self._pad([tokens[row] for row in rows]), vectors)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Count the tokens of the whole text, the model's start and end marks excluded.

        The model reads all of a text of at most `max_tokens` - 2.
        """
        return len(self._tokenizer.encode_batch_fast([self._readable(text)], add_special_tokens=False)[0].ids)

    def _encode_few(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        tokens = self._tokenize(texts)
        for rows in _batches(tokens, _QUERY_BATCH_TOKENS):
            vectors[rows] = compute(self._session, self._pad([tokens[row] for row in rows]))
        return vectors

    def _tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the token ids of each text, at most as many as the model reads, start and end marks included."""
        tokens: list[Tokens] = []
        for start in range(0, len(texts), _TOKENIZER_SLICE):
            readable = [self._readable(text) for text in texts[start : start + _TOKENIZER_SLICE]]
            for encoding in self._tokenizer.encode_batch_fast(readable):
                ids = np.array(encoding.ids, np.int64)
                if len(ids) > self._files.max_tokens:
                    kept = self._files.max_tokens - self._end_marks
                    ids = np.concatenate([ids[:kept], ids[len(ids) - self._end_marks :]])
                tokens.append(ids)
        return tokens

    def _readable(self, text: str) -> str:
        return text.lower() if self._files.lower else text

    def _pad(self, batch: list[Tokens]) -> dict[str, Tokens]:
        width = min(_width(max(len(ids) for ids in batch)), self._files.max_tokens)
        ids = np.zeros((len(batch), width), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    @property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        with self._loading:
            return self._loaded_tokenizer

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        with self._loading:
            return self._loaded_session

    @property
    def _compiled(self) -> openvino.CompiledModel:
        with self._loading:
            return self._loaded_compiled

    @cached_property
    def _loaded_tokenizer(self) -> tokenizers.Tokenizer:
        return self._files.load_tokenizer()

    @cached_property
    def _end_marks(self) -> int:
        """The number of special tokens at the end of a text."""
        marks = self._tokenizer.encode("word").special_tokens_mask
        return next((place for place, is_mark in enumerate(reversed(marks)) if not is_mark), 0)

    @cached_property
    def _loaded_session(self) -> onnxruntime.InferenceSession:
        return inference_session(self._graph.ensure())

    @cached_property
    def _loaded_compiled(self) -> openvino.CompiledModel:
        return compiled_model(self._graph.ensure(), self._pad([np.zeros(1, np.int64)]), bf16=self._wants_bf16())

    @cached_property
    def _graph(self) -> GraphFiles:
        return self._files.graph(self._home / "models")

    def _wants_bf16(self) -> bool:
        if self._precision == "bf16" and not has_fast_bf16():
            raise EmbeddingError(
                "This CPU has neither AMX nor AVX512-BF16 and would be slow in bf16. Use precision auto or fp32."
            )
        return self._precision != "fp32" and has_fast_bf16()


class LocalEncoder(GraphEncoder):
    """The encoder of all-MiniLM-L6-v2: vectors of 384 dimensions, of the first 256 tokens of a text.

        >>> encoder = LocalEncoder(home)
        >>> question = encoder.encode_query("How do I rotate a key?")
        >>> chunks = encoder.encode(["Keys are rotated weekly.", "Pour the batter into a tin."])
        >>> (chunks @ question).argmax()
        0

    :param home: its folder `models` holds the model's graph, 91 MB, built on first use
    :param precision: the precision for a corpus; "auto" is bf16 where the CPU is fast at it. Questions are
        always embedded in fp32.
    :raises ConfigurationError: `precision` is unknown
    """

    model = MODEL
    dimension = Bundled.dimension
    max_tokens = Bundled.max_tokens

    def __init__(self, home: Path, *, precision: Precision = "auto") -> None:
        super().__init__(MODEL, Bundled(), home, precision=precision)

    def __reduce__(self) -> tuple[Callable[..., LocalEncoder], tuple[Path]]:
        return partial(LocalEncoder, precision=self._precision), (self._home,)


def _batches(texts: Sequence[Tokens], budget: int) -> Iterator[list[int]]:
    """Yield the indices of the texts of each batch, of at most `budget` tokens, padding included.

    Texts are sorted by length, so that a batch needs little padding; the longest come first, so that the cores finish
    together.
    """
    order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
    start = 0
    while start < len(order):
        size = max(1, budget // _width(len(texts[order[start]])))
        # The last texts are split evenly between the cores: no core waits for one large batch.
        size = min(size, max(1, -(-(len(order) - start) // cores())))
        yield order[start : start + size]
        start += size


def _width(tokens: int) -> int:
    return -(-tokens // _WIDTH_STEP) * _WIDTH_STEP
