"""A sentence-transformers model in a folder: what its files say about it, and its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.models.architecture import Architecture, is_supported
from rag.embedding.models.exported import exported_embedding
from rag.embedding.models.folder import ModelFolder
from rag.embedding.models.graph import embedding_graph
from rag.embedding.models.graph_files import BUILDER_VERSION, GraphFiles
from rag.embedding.models.heads import POOLINGS, Dense
from rag.embedding.models.tensors import Tensors, read_tensors
from rag.embedding.models.tokenizing import TokenizerFile, check_vocabulary, read_max_tokens
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    import onnx
    import tokenizers

__all__ = ["SentenceModel"]

# The activations of dense layers, by the name of torch's class, as ONNX operators.
_DENSE_ACTIVATIONS = {"Identity": None, "Tanh": "Tanh", "ReLU": "Relu", "Sigmoid": "Sigmoid"}
_POOLING_NAMES = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens",
    "lasttoken": "lasttoken",
}
_TRANSFORMER_FILES = ("config.json", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json")
# The names of prompts, in the order in which sentence-transformers looks for them.
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class _DenseFiles:
    name: str
    folder: ModelFolder
    activation: str | None
    width: int

    def read(self) -> Dense:
        """Read the weights.

        :raises ConfigurationError: they are missing, or cannot be read
        """
        files = self.folder.weights()
        if not files:
            raise self.folder.no_weights()
        content = read_tensors(files)
        names = [name for name in ("weight", "bias") if f"linear.{name}" in content]
        tensors = {f"{self.name}.{name}": content[f"linear.{name}"] for name in names}
        return Dense(self.name, Tensors(tensors, where=files[0]), self.activation)


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """What the files of a model say.

    :param transformer: the folder of config.json, tokenizer.json and the weights
    :param architecture: None if the graph is an ONNX file of the model
    """

    folder: ModelFolder
    transformer: ModelFolder
    architecture: Architecture | None
    poolings: tuple[str, ...]
    layers: tuple[_DenseFiles, ...]
    tokenizer: TokenizerFile
    dimension: int
    max_tokens: int
    query_prompt: str
    document_prompt: str
    fingerprint: str

    @classmethod
    def read(cls, folder: ModelFolder) -> SentenceModel:
        """Read the small files of a model; the weights are read when its graph is built.

        :raises ConfigurationError: the folder holds no such model, or one that is not supported
        """
        modules = _modules(folder)
        transformer = modules[0][1]
        architecture = _architecture(transformer)
        settings = transformer.table("sentence_bert_config.json")
        hidden = architecture.hidden if architecture else _hidden(transformer)
        poolings = _poolings(next((inner for kind, inner in modules if kind == "Pooling"), None))
        layers = tuple(_dense(inner, at) for at, (kind, inner) in enumerate(modules) if kind == "Dense")
        query, document = _prompts(folder)
        return cls(
            folder=folder,
            transformer=transformer,
            architecture=architecture,
            poolings=poolings,
            layers=layers,
            tokenizer=TokenizerFile.of(transformer, lower=settings.get("do_lower_case") is True),
            dimension=layers[-1].width if layers else hidden * len(poolings),
            max_tokens=read_max_tokens(transformer, architecture, settings.get("max_seq_length")),
            query_prompt=query,
            document_prompt=document,
            fingerprint=_fingerprint(folder, modules, architecture),
        )

    @property
    def lower(self) -> bool:
        """Whether texts are lowercased first."""
        return self.tokenizer.lower

    def load_tokenizer(self) -> tokenizers.Tokenizer:
        """Return the tokenizer, without truncation and padding.

        :raises ConfigurationError: the file is invalid
        """
        return self.tokenizer.load()

    def graph(self, folder: Path) -> GraphFiles:
        """Return the files of the graph in `folder`."""
        return GraphFiles(folder, f"{self.fingerprint}-{BUILDER_VERSION}", self._build)

    def _build(self) -> onnx.ModelProto:
        layers = [layer.read() for layer in self.layers]
        if self.architecture is None:
            path = self.transformer.onnx()
            if path is None:
                raise self.transformer.no_weights()
            return exported_embedding(path, self.poolings, layers, self.dimension)
        tensors = read_tensors(self.transformer.weights(), self.architecture.family.prefix)
        check_vocabulary(self.tokenizer, tensors.words)
        return embedding_graph(tensors, self.architecture, self.poolings, layers, self.dimension)


def _modules(folder: ModelFolder) -> list[tuple[str, ModelFolder]]:
    """Return the kinds of the model's modules and their folders; without modules.json, a transformer alone."""
    listed = folder.json("modules.json")
    if listed is None:
        _check_plain(folder)
        return [("Transformer", folder)]
    try:
        modules = [(str(entry["type"]).rpartition(".")[2], folder.inside(str(entry["path"]))) for entry in listed]
    except (KeyError, TypeError):
        raise ConfigurationError(f"{folder.path / 'modules.json'}: each module needs a type and a path.") from None
    kinds = [kind for kind, _ in modules if kind != "Dropout"]
    after = [kind for kind in kinds[2:] if kind != "Dense"]
    if kinds[:2] != ["Transformer", "Pooling"] or after not in ([], ["Normalize"]) or "Normalize" in kinds[2:-1]:
        raise ConfigurationError(
            f"{folder.path / 'modules.json'}: the modules {', '.join(kinds) or 'none'} are not supported; a model has "
            "Transformer, Pooling, and maybe Dense and Normalize, in this order."
        )
    return modules


def _check_plain(folder: ModelFolder) -> None:
    config = folder.table("config.json")
    if not config:
        raise ConfigurationError(f"{folder.path} contains no model: it has neither modules.json nor config.json.")
    kinds = config.get("architectures") or [""]
    if str(kinds[0]).endswith("ForSequenceClassification"):
        raise ConfigurationError(f"{folder.path} is a cross-encoder: use it as RAG_RERANKER.")


def _fingerprint(
    folder: ModelFolder, modules: Sequence[tuple[str, ModelFolder]], architecture: Architecture | None
) -> str:
    transformer = modules[0][1]
    files = [folder.path / name for name in ("modules.json", "config_sentence_transformers.json")]
    files += [transformer.path / name for name in _TRANSFORMER_FILES]
    files += transformer.weights() if architecture else transformer.graph_files()
    for kind, inner in modules[1:]:
        files += [inner.path / "config.json", *(inner.weights() if kind == "Dense" else [])]
    return folder.fingerprint(files)


def _architecture(folder: ModelFolder) -> Architecture | None:
    """Return the architecture of which a graph is built; None if the folder has a graph only.

    :raises ConfigurationError: it has neither weights nor a graph, or its architecture is not supported
    """
    has_graph = folder.onnx() is not None
    if not folder.weights():
        if not has_graph:
            raise folder.no_weights()
        return None
    if has_graph and not is_supported(folder.table("config.json")):
        return None
    return Architecture.of(folder)


def _hidden(folder: ModelFolder) -> int:
    config = folder.table("config.json")
    hidden = config.get("hidden_size", config.get("dim"))
    if not isinstance(hidden, int) or hidden < 1:
        raise ConfigurationError(f"{folder.path / 'config.json'}: hidden_size must be the number of hidden units.")
    return hidden


def _poolings(folder: ModelFolder | None) -> tuple[str, ...]:
    """Return the names of the poolings of a model; the mean without Pooling, as in sentence-transformers."""
    config = folder.table("config.json") if folder else {}
    if folder and config.get("include_prompt") is False:
        raise ConfigurationError(f"{folder.path / 'config.json'}: include_prompt false is not supported.")
    named = config.get("pooling_mode")
    given = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    wanted = {_POOLING_NAMES.get(str(name), str(name)) for name in given} or {
        key.removeprefix("pooling_mode_") for key, value in config.items() if key.startswith("pooling_mode_") and value
    }
    unknown = sorted(wanted - set(POOLINGS))
    if folder and unknown:
        raise ConfigurationError(f"{folder.path / 'config.json'}: the pooling {unknown[0]!r} is not supported.")
    return tuple(name for name in POOLINGS if name in wanted) or ("mean_tokens",)


def _dense(folder: ModelFolder, at: int) -> _DenseFiles:
    config = folder.table("config.json")
    kind = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    width = config.get("out_features")
    if kind not in _DENSE_ACTIVATIONS or not isinstance(width, int) or width < 1:
        raise ConfigurationError(
            f"{folder.path / 'config.json'}: a Dense module needs out_features, and an activation_function of "
            f"{', '.join(_DENSE_ACTIVATIONS)}."
        )
    return _DenseFiles(f"dense_{at}", folder, _DENSE_ACTIVATIONS[kind], width)


def _prompts(folder: ModelFolder) -> tuple[str, str]:
    """Return what is put before a question and before a document."""
    config = folder.table("config_sentence_transformers.json")
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise ConfigurationError(
            f"{folder.path / 'config_sentence_transformers.json'}: prompts must be an object of texts."
        )
    default: str = prompts.get(config.get("default_prompt_name"), "")

    def first(names: Sequence[str]) -> str:
        return next((text for name in names if (text := prompts.get(name))), default)

    return first(_QUERY_PROMPTS), first(_DOCUMENT_PROMPTS)
