"""Cross-encoders on this machine's CPU: how well a passage answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.embedding.models.architecture import Architecture, is_supported
from rag.embedding.models.exported import exported_pairs
from rag.embedding.models.folder import ModelFolder
from rag.embedding.models.graph import pair_graph
from rag.embedding.models.graph_files import BUILDER_VERSION, GraphFiles
from rag.embedding.models.named import ModelName
from rag.embedding.models.tensors import read_tensors
from rag.embedding.models.tokenizing import TokenizerFile, check_vocabulary, read_max_tokens
from rag.embedding.runtimes import compute, inference_session
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    import onnx
    import onnxruntime  # type: ignore[import-untyped]
    import tokenizers

__all__ = ["PairScorer", "open_pair_scorer"]

# Pairs of one inference. With 8 of 300 tokens, a batch of a model of 384 hidden units needs about 30 MB.
_BATCH = 8


class PairScorer:
    """Scores pairs of texts with a cross-encoder; its graph and runtime are loaded on first use.

    :param home: its folder `models` holds the graph, built on first use
    :raises ConfigurationError: the folder holds no cross-encoder, or one that is not supported
    """

    def __init__(self, folder: ModelFolder, home: Path) -> None:
        self._folder = folder
        _check(folder)
        self._architecture = _architecture(folder)
        self._tokenizer_file = TokenizerFile.of(folder)
        self._max_tokens = read_max_tokens(folder, self._architecture)
        weights = folder.weights() if self._architecture else folder.graph_files()
        files = [folder.path / "config.json", self._tokenizer_file.path, *weights]
        stem = f"{folder.fingerprint(files)}-pairs-{BUILDER_VERSION}"
        self._graph = GraphFiles(home / "models", stem, self._build)
        self._loading = Lock()

    def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """Return a score for each passage, shape (len(passages),); a better answer has a higher one.

        :raises ConfigurationError: a file of the model is invalid
        :raises EmbeddingError: the runtime cannot load the model
        """
        with self._loading:
            session, tokenizer = self._session, self._tokenizer
        encodings = tokenizer.encode_batch([(question, passage) for passage in passages])
        scores = np.empty(len(passages), np.float32)
        order = sorted(range(len(passages)), key=lambda place: len(encodings[place].ids))
        names = {given.name for given in session.get_inputs()}
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            inputs = _inputs([encodings[place] for place in places])
            found = compute(session, {name: inputs[name] for name in names})
            scores[places] = np.asarray(found).reshape(len(places))
        return scores

    def _build(self) -> onnx.ModelProto:
        if self._architecture is None:
            path = self._folder.onnx()
            if path is None:
                raise self._folder.no_weights()
            return exported_pairs(path)
        tensors = read_tensors(self._folder.weights(), self._architecture.family.prefix)
        check_vocabulary(self._tokenizer_file, tensors.words)
        return pair_graph(tensors, self._architecture)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return inference_session(self._graph.ensure())

    @cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        tokenizer = self._tokenizer_file.load()
        tokenizer.enable_truncation(self._max_tokens, strategy="longest_first")
        return tokenizer


def open_pair_scorer(name: str, home: Path) -> PairScorer:
    """Return the cross-encoder of local:FOLDER or hf:NAME.

    :raises ConfigurationError: there is no such model, or it is not supported
    """
    named = ModelName.parse(name)
    if named is None:
        raise ConfigurationError(f"{name!r} is not local:FOLDER or hf:NAME.")
    return PairScorer(named.folder(), home)


def _architecture(folder: ModelFolder) -> Architecture | None:
    """Return the architecture of which a graph is built; None if the folder has a graph only."""
    if folder.weights() and (is_supported(folder.table("config.json")) or not folder.onnx()):
        return Architecture.of(folder)
    if not folder.onnx():
        raise folder.no_weights()
    return None


def _check(folder: ModelFolder) -> None:
    config = folder.table("config.json")
    if not config:
        raise ConfigurationError(f"{folder.path} contains no model: it has no config.json.")
    kind = str((config.get("architectures") or ["none"])[0])
    if not kind.endswith("ForSequenceClassification"):
        raise ConfigurationError(
            f"{folder.path} contains no cross-encoder: its architecture is {kind}, not …ForSequenceClassification."
        )
    labels = config.get("id2label")
    outputs = len(labels) if isinstance(labels, dict) else config.get("num_labels", 2)
    if outputs != 1:
        raise ConfigurationError(f"{folder.path} is a classifier with {outputs} outputs; a cross-encoder has one.")


def _inputs(encodings: Sequence[tokenizers.Encoding]) -> dict[str, NDArray[np.int64]]:
    shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
    inputs = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    for row, encoding in enumerate(encodings):
        tokens = len(encoding.ids)
        inputs["input_ids"][row, :tokens] = encoding.ids
        inputs["attention_mask"][row, :tokens] = 1
        inputs["token_type_ids"][row, :tokens] = encoding.type_ids
    return inputs
