"""all-MiniLM-L6-v2 on this machine's CPU: a question at once, a corpus fast.

Two runtimes read one graph. onnxruntime embeds a question: it is ready 0.15 s after the process starts.
OpenVINO embeds a corpus: it runs in bfloat16 where the CPU has instructions for that, about twice as fast as
anything in float32. Their vectors differ by less than any ranking notices and mix freely in one index.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Lock, local
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rag.embedding.graph import ensure_graph, is_built
from rag.embedding.weights import TOKENIZER, read_verified
from rag.errors import ConfigurationError, EmbeddingError

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]
    import openvino  # type: ignore[import-untyped]
    import tokenizers

__all__ = ["LocalEncoder", "Precision", "has_fast_bf16"]

Precision = Literal["auto", "fp32", "bf16"]
Tokens = NDArray[np.int64]

MODEL = "local/all-MiniLM-L6-v2"
_DIMENSION = 384
_MAX_TOKENS = 256

# A question is too little work for more threads than these. 64 texts of 38 tokens take 155 ms in batches of
# about as many tokens, 248 ms one by one and 287 ms all at once.
_QUERY_THREADS = 4
_QUERY_BATCH_TOKENS = 320

# Measured on 2 cores with 400 chunks of 213 tokens, bf16: batches of 4, 8 and 16 texts give 143, 147 and 144
# chunks/s. Short texts come in larger batches of as many tokens. Widths are rounded up so that few
# shapes occur, as a runtime prepares each shape once: 152 chunks/s.
_BATCH_TOKENS = 8 * _MAX_TOKENS
_WIDTH_STEP = 16
# Texts are tokenized in slices, so that only the ids of a large corpus are held in memory.
_TOKENIZER_SLICE = 256


class LocalEncoder:
    """Turns texts into vectors of 384 numbers and unit length, so that a dot product is a cosine.

    The model reads 256 tokens of a text, two of which are marks of its own; `count_tokens` tells how many a
    text has. Nothing is loaded before it is needed; every method may be called from several threads.

        >>> encoder = LocalEncoder(home)
        >>> question = encoder.encode_query("How do I rotate a key?")
        >>> chunks = encoder.encode(["Keys are rotated weekly.", "Pour the batter into a tin."])
        >>> (chunks @ question).argmax()
        0

    :param home: the graph of the model is kept in its folder `models`, 91 MB, built on first use
    :param precision: what a corpus is embedded in; "auto" is bf16 where the CPU is fast at it. Questions are
        always embedded in fp32.
    :raises ConfigurationError: `precision` is none of the three
    """

    model = MODEL
    dimension = _DIMENSION
    max_tokens = _MAX_TOKENS

    def __init__(self, home: Path, *, precision: Precision = "auto") -> None:
        if precision not in get_args(Precision):
            raise ConfigurationError(f"precision is {precision!r}; it must be one of auto, fp32, bf16.")
        self._home = home
        self._precision: Precision = precision
        self._loading = Lock()
        self._encoding = Lock()

    def __reduce__(self) -> tuple[Callable[..., LocalEncoder], tuple[Path]]:
        return partial(LocalEncoder, precision=self._precision), (self._home,)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Load what a question needs while the block runs, where that takes no more than 0.2 s.

        What goes wrong with it, the question tells.
        """

        def prepare() -> None:
            with suppress(EmbeddingError):
                _ = self._session, self._tokenizer

        thread = threading.Thread(target=prepare, name="model")
        if is_built(self._home / "models"):
            thread.start()
        try:
            yield
        finally:
            if thread.ident:
                thread.join()

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text, at once and in fp32: 2 to 3 ms.

        :return: shape (384,), unit length
        :raises EmbeddingError: the model is missing, altered or cannot be loaded
        """
        vector: NDArray[np.float32] = self.encode_queries([text])[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few short texts, such as the sentences of an answer, at once and in fp32.

        :return: shape (len(texts), 384), unit length, in the order of `texts`
        :raises EmbeddingError: the model is missing, altered or cannot be loaded
        """
        vectors = np.empty((len(texts), _DIMENSION), np.float32)
        tokens = self._tokenize(texts)
        for rows in _batches(tokens, _QUERY_BATCH_TOKENS):
            (vectors[rows],) = self._session.run(None, _pad([tokens[row] for row in rows]))
        return vectors

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts, using all cores. The more at once, the better: a few hundred fill every batch.

        :return: shape (len(texts), 384), unit length, in the order of `texts`
        :raises EmbeddingError: the model is missing, altered or cannot be loaded
        """
        vectors = np.empty((len(texts), _DIMENSION), np.float32)
        if not texts:
            return vectors
        compiled = self._compiled
        tokens = self._tokenize(texts)
        with self._encoding:
            _infer(compiled, tokens, vectors)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Count the tokens of the whole text, without the model's two marks.

        The model reads all of a text of at most `max_tokens` - 2.
        """
        return len(self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each token of the text starts and ends, in characters, without the model's marks.

        `text[offsets[i][0] : offsets[j - 1][1]]` has about the tokens i to j: cutting inside a word can
        change how its parts are tokenized.
        """
        offsets: list[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

    def _tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the token ids of each text, at most 256, its start and end marks among them."""
        tokens: list[Tokens] = []
        for start in range(0, len(texts), _TOKENIZER_SLICE):
            for encoding in self._tokenizer.encode_batch_fast(list(texts[start : start + _TOKENIZER_SLICE])):
                ids = np.array(encoding.ids, np.int64)
                if len(ids) > _MAX_TOKENS:
                    ids = np.append(ids[: _MAX_TOKENS - 1], ids[-1])
                tokens.append(ids)
        return tokens

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
        from tokenizers import Tokenizer

        tokenizer: tokenizers.Tokenizer = Tokenizer.from_buffer(read_verified(TOKENIZER))
        # The file says to cut and to pad to 128 tokens. The model reads 256, which _tokenize cuts to, as
        # count_tokens must see more; and padding belongs to a batch.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _loaded_session(self) -> onnxruntime.InferenceSession:
        # Both runtimes report to their makers from the moment they are imported; nothing is to leave the machine.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(_QUERY_THREADS, _cores())
        # Threads that spin between questions save 0.6 ms of 2.6, and burn the cores that the database needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise _not_loaded("onnxruntime", error) from error

    @cached_property
    def _loaded_compiled(self) -> openvino.CompiledModel:
        bf16 = self._wants_bf16()
        os.environ.setdefault("OPENVINO_TELEMETRY_OPT_OUT", "1")
        # Told that its telemetry package is not there, it does without.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        # One batch a core at a time: 147 chunks/s, against 126 with both cores on each batch.
        properties: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": _cores(),
            "NUM_STREAMS": _cores(),
        }
        try:
            compiled = openvino.Core().compile_model(self._graph, "CPU", properties)
            # The first inference of a process sets up the binding to numpy. Two threads that do so at once wait for
            # each other, one for the interpreter's lock, one for that of the set-up, for ever (seen with 2026.4.1).
            with _first_inference:
                compiled.create_infer_request().infer(_pad([np.zeros(1, np.int64)]))
        except RuntimeError as error:
            raise _not_loaded("OpenVINO", error) from error
        return compiled

    @property
    def _graph(self) -> Path:
        return ensure_graph(self._home / "models")

    def _wants_bf16(self) -> bool:
        if self._precision == "bf16" and not has_fast_bf16():
            raise EmbeddingError(
                "This CPU has neither AMX nor AVX512-BF16, and would be slow in bf16. Use precision auto or fp32."
            )
        return self._precision != "fp32" and has_fast_bf16()


_first_inference = Lock()


def has_fast_bf16() -> bool:
    """Tell whether the CPU has instructions for bfloat16 (AMX or AVX512-BF16), as far as Linux tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _infer(compiled: openvino.CompiledModel, tokens: list[Tokens], vectors: NDArray[np.float32]) -> None:
    """Fill row i of `vectors` with the vector of tokens[i], a batch a core at a time.

    In threads of our own: a process that made several of OpenVINO's AsyncInferQueue hung in native code, now
    and then and for ever (2026.4.1).
    """
    mine = local()

    def infer(rows: list[int]) -> None:
        if not hasattr(mine, "request"):
            mine.request = compiled.create_infer_request()
        vectors[rows] = mine.request.infer(_pad([tokens[row] for row in rows]))[0]

    with ThreadPoolExecutor(_cores()) as threads:
        for _ in threads.map(infer, _batches(tokens, _BATCH_TOKENS)):
            pass


def _batches(texts: Sequence[Tokens], budget: int) -> Iterator[list[int]]:
    """Yield the indices of texts that are embedded together, `budget` tokens at a time.

    Texts of one batch are about as long, so that little of it is padding; the longest come first, so that
    the cores finish together.
    """
    order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
    start = 0
    while start < len(order):
        size = max(1, budget // _width(len(texts[order[start]])))
        # The last texts are shared out: no core waits for one large batch.
        size = min(size, max(1, -(-(len(order) - start) // _cores())))
        yield order[start : start + size]
        start += size


def _pad(batch: list[Tokens]) -> dict[str, Tokens]:
    width = _width(max(len(ids) for ids in batch))
    ids = np.zeros((len(batch), width), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _width(tokens: int) -> int:
    return -(-tokens // _WIDTH_STEP) * _WIDTH_STEP


def _cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _not_loaded(runtime: str, error: Exception) -> EmbeddingError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EmbeddingError(
        f"The local embedding model could not be loaded by {runtime}: {reason}. "
        "Delete the folder models in RAG_HOME and try again; if that fails, reinstall the requirements."
    )
