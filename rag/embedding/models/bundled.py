"""The graph of all-MiniLM-L6-v2, the model that comes with the program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.models.graph_files import BUILDER_VERSION, GraphFiles
from rag.embedding.models.weights import WEIGHTS, read_verified

if TYPE_CHECKING:
    import onnx

__all__ = ["bundled_graph", "ensure_graph", "is_built"]

_BYTES = 90_412_544


def bundled_graph(folder: Path) -> GraphFiles:
    """Return the files of the graph of all-MiniLM-L6-v2 in `folder`."""
    stem = f"all-MiniLM-L6-v2-{WEIGHTS.sha256[:12]}-{BUILDER_VERSION}"
    return GraphFiles(folder, stem, _build, _BYTES)


def ensure_graph(folder: Path) -> Path:
    """Return the path of the graph of all-MiniLM-L6-v2 in `folder`; see `GraphFiles.ensure`.

    :raises EmbeddingError: the weights are not the published ones, or `folder` is not writable
    """
    return bundled_graph(folder).ensure()


def is_built(folder: Path) -> bool:
    """Return whether `folder` has the graph of all-MiniLM-L6-v2, complete and unchanged since it was built."""
    return bundled_graph(folder).is_built()


def _build() -> onnx.ModelProto:
    # Building needs onnx and safetensors, and happens once on a machine.
    from safetensors.numpy import load

    from rag.embedding.models.architecture import BERT, Architecture
    from rag.embedding.models.graph import embedding_graph
    from rag.embedding.models.tensors import Tensors

    architecture = Architecture(
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
    tensors = Tensors(load(read_verified(WEIGHTS)), where=WEIGHTS.name)
    return embedding_graph(tensors, architecture, ["mean_tokens"], [], architecture.hidden)
