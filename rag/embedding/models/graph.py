"""The ONNX graphs of models, built once from their weights.

Their input is token ids, their output a vector of unit length, or the score of a pair of texts: pooling and
normalisation are part of the graph, so that every runtime gives the same vectors. Standard operators only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.models.architecture import BERT, Architecture
from rag.embedding.models.graph_files import GraphFiles
from rag.embedding.models.heads import Dense, add_classifier, add_embedding
from rag.embedding.models.nodes import Nodes
from rag.embedding.models.tensors import Tensors
from rag.embedding.models.transformer import Transformer
from rag.embedding.models.weights import WEIGHTS, read_verified

if TYPE_CHECKING:
    import onnx

__all__ = [
    "BUILDER_VERSION",
    "PAIR_INPUTS",
    "TEXT_INPUTS",
    "bundled_graph",
    "embedding_graph",
    "ensure_graph",
    "is_built",
    "pair_graph",
]

#: Part of the file names; increase it with every change of the graphs, so that old files are not used.
BUILDER_VERSION = 2

TEXT_INPUTS = ["input_ids", "attention_mask"]
PAIR_INPUTS = [*TEXT_INPUTS, "token_type_ids"]

_BUNDLED = Architecture(
    family=BERT,
    hidden=384,
    layers=6,
    heads=12,
    activation="gelu",
    epsilon=1e-12,
    first_position=0,
    positions=512,
    buckets=32,
)
_BUNDLED_BYTES = 90_412_544


def bundled_graph(folder: Path) -> GraphFiles:
    """Return the files of the graph of all-MiniLM-L6-v2 in `folder`."""
    stem = f"all-MiniLM-L6-v2-{WEIGHTS.sha256[:12]}-{BUILDER_VERSION}"
    return GraphFiles(folder, stem, _build_bundled, _BUNDLED_BYTES)


def ensure_graph(folder: Path) -> Path:
    """Return the path of the graph of all-MiniLM-L6-v2 in `folder`; see `GraphFiles.ensure`.

    :raises EmbeddingError: the weights are not the published ones, or `folder` is not writable
    """
    return bundled_graph(folder).ensure()


def is_built(folder: Path) -> bool:
    """Return whether `folder` has the graph of all-MiniLM-L6-v2, complete and unchanged since it was built."""
    return bundled_graph(folder).is_built()


def embedding_graph(
    tensors: Tensors, architecture: Architecture, poolings: Sequence[str], layers: Sequence[Dense], width: int
) -> onnx.ModelProto:
    """Return the graph of a sentence model: TEXT_INPUTS (B, T) to `embedding` (B, width)."""
    nodes = Nodes()
    add_embedding(nodes, Transformer(nodes, tensors, architecture).vectors(), poolings, layers, width)
    return nodes.model(TEXT_INPUTS, "embedding", width)


def pair_graph(tensors: Tensors, architecture: Architecture) -> onnx.ModelProto:
    """Return the graph of a cross-encoder: PAIR_INPUTS (B, T) to `score` (B, 1)."""
    nodes = Nodes()
    family = architecture.family
    types = PAIR_INPUTS[-1] if family.has_types else None
    add_classifier(nodes, Transformer(nodes, tensors, architecture, types).vectors(), tensors, family.head)
    return nodes.model(PAIR_INPUTS if types else TEXT_INPUTS, "score", 1)


def _build_bundled() -> onnx.ModelProto:
    # Only building needs onnx and safetensors.
    from safetensors.numpy import load

    tensors = Tensors(load(read_verified(WEIGHTS)), where=WEIGHTS.name)
    return embedding_graph(tensors, _BUNDLED, ["mean_tokens"], [], _BUNDLED.hidden)
