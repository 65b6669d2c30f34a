"""The ONNX graphs of models, built from their weights.

Their input is token ids, their output a vector of unit length, or the score of a pair of texts: pooling and
normalisation are part of the graph, so that every runtime gives the same vectors. Standard operators only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.embedding.models.architecture import Architecture
from rag.embedding.models.heads import Dense, add_classifier, add_embedding
from rag.embedding.models.nodes import Nodes
from rag.embedding.models.tensors import Tensors
from rag.embedding.models.transformer import Transformer

if TYPE_CHECKING:
    import onnx

__all__ = ["PAIR_INPUTS", "TEXT_INPUTS", "embedding_graph", "pair_graph"]

TEXT_INPUTS = ["input_ids", "attention_mask"]
PAIR_INPUTS = [*TEXT_INPUTS, "token_type_ids"]


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
