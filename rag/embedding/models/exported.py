"""ONNX files that others exported, with this package's inputs and outputs.

They work for every architecture whose graph takes token ids and a mask, also for those of which none is built here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.models.graph import PAIR_INPUTS, TEXT_INPUTS
from rag.embedding.models.heads import Dense, add_embedding
from rag.embedding.models.nodes import Nodes
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    import onnx

__all__ = ["exported_embedding", "exported_pairs"]

# The vectors of the tokens: of Optimum, of sentence-transformers, of older exports.
_VECTORS = ("last_hidden_state", "token_embeddings", "output_0")


def exported_embedding(path: Path, poolings: Sequence[str], layers: Sequence[Dense], width: int) -> onnx.ModelProto:
    """Return the graph of a sentence model: TEXT_INPUTS (B, T) to `embedding` (B, width).

    :raises ConfigurationError: the file cannot be read, or has other inputs or outputs
    """
    model = _loaded(path)
    names = [output.name for output in model.graph.output]
    vectors = next((name for name in _VECTORS if name in names), None)
    if vectors is None:
        raise ConfigurationError(
            f"{path} has the outputs {', '.join(names)}; an embedding model needs last_hidden_state: "
            "export it for feature extraction."
        )
    nodes = Nodes("pooled_")
    add_embedding(nodes, nodes.number(vectors), poolings, layers, width)
    _append(model, nodes, nodes.model(TEXT_INPUTS, "embedding", width).graph.output[0])
    _without_other_inputs(model, path, TEXT_INPUTS)
    return model


def exported_pairs(path: Path) -> onnx.ModelProto:
    """Return the graph of a cross-encoder: PAIR_INPUTS (B, T) to `score` (B, 1).

    :raises ConfigurationError: the file cannot be read, or has other inputs or outputs
    """
    model = _loaded(path)
    names = [output.name for output in model.graph.output]
    if "logits" not in names:
        raise ConfigurationError(
            f"{path} has the outputs {', '.join(names)}; a cross-encoder needs logits: "
            "export it for text classification."
        )
    nodes = Nodes("scored_")
    nodes.add("Identity", nodes.number("logits"), output="score")
    _append(model, nodes, nodes.model(PAIR_INPUTS, "score", 1).graph.output[0])
    _without_other_inputs(model, path, PAIR_INPUTS)
    return model


def _loaded(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # below onnx

    try:
        return onnx.load(path)
    except (OSError, DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise ConfigurationError(f"{path} cannot be read as ONNX: {str(error).splitlines()[0][:200]}") from error


def _append(model: onnx.ModelProto, nodes: Nodes, output: onnx.ValueInfoProto) -> None:
    """Add nodes at the end of a graph and make `output` its only one."""
    model.graph.node.extend(nodes.nodes)
    model.graph.initializer.extend(nodes.constants.values())
    del model.graph.output[:]
    model.graph.output.append(output)


def _without_other_inputs(model: onnx.ModelProto, path: Path, wanted: Sequence[str]) -> None:
    """Keep the inputs in `wanted`; token types that nobody gives are zeros.

    :raises ConfigurationError: the graph has other inputs
    """
    from onnx import helper

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [given.name for given in model.graph.input if given.name not in weights]
    unknown = [name for name in inputs if name not in PAIR_INPUTS]
    if unknown or "input_ids" not in inputs:
        raise ConfigurationError(f"{path} has the inputs {', '.join(inputs)}; only {', '.join(PAIR_INPUTS)} are given.")
    kept = [given for given in model.graph.input if given.name in wanted]
    if "token_type_ids" in inputs and "token_type_ids" not in wanted:
        model.graph.node.insert(0, helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"], "no_types"))
    del model.graph.input[:]
    model.graph.input.extend(kept)
