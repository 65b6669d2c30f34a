"""The ONNX graph of all-MiniLM-L6-v2, built once from its weights.

Its input is token ids, its output a vector of unit length: mean pooling and normalisation are part of the graph, so
that every runtime gives the same vectors. Standard operators only (opset 20).

The tensors are external data in a second file, which runtimes map instead of copying: the word table is half of the
90 MB, and a question reads a dozen of its rows. Measured on 2 cores, onnxruntime opens this layout in 45 ms and a
single file in 110 ms. A graph saved after onnxruntime's own optimisations opens in 41 ms, with prepacked weights in
30 ms, but works with one CPU and one version of onnxruntime only: not worth 15 ms.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.weights import WEIGHTS, read_verified
from rag.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import onnx
    from numpy.typing import NDArray

__all__ = ["ensure_graph", "is_built"]

#: Part of the file names; increase it with every change of the graph, so that old files are not used.
_BUILDER_VERSION = 1

_LAYERS = 6
_HEADS = 12
_HIDDEN = 384
_LAYER_NORM_EPSILON = 1e-12

#: Smaller tensors, in bytes, stay in the graph file.
_EXTERNAL_BYTES = 1024
#: External tensors start at multiples of this number of bytes, as mapping requires.
_ALIGNMENT = 4096

# A stored graph is used if it has the right size and still the modification time that the builder set: any later write
# changes that. Hashing the tensors would take 49 ms of the 137 ms to a process's first vector, and would not protect
# against an attacker, who could change the code as well.
_DATA_BYTES = 90_412_544
_BUILT_AT_NS = 1_630_000_000 * 10**9


def ensure_graph(folder: Path) -> Path:
    """Return the path of the graph in `folder`; build it first if it is missing, truncated or changed.

    Safe in several processes at once: each writes temporary files and renames them into place.

    :raises EmbeddingError: the weights are not the published ones, or `folder` is not writable
    """
    graph, data = _files(folder)
    if is_built(folder):
        return graph
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _build(graph, data)
    except OSError as error:
        raise EmbeddingError(
            f"The local embedding model could not be prepared in {folder}: {error.strerror or error}. "
            "Set RAG_HOME to a folder that can be written, with 100 MB free."
        ) from error
    return graph


def is_built(folder: Path) -> bool:
    """Return whether `folder` has the graph, complete and unchanged since it was built."""
    graph, data = _files(folder)
    return _is_untouched(graph) and _is_untouched(data, _DATA_BYTES)


def _files(folder: Path) -> tuple[Path, Path]:
    stem = f"all-MiniLM-L6-v2-{WEIGHTS.sha256[:12]}-{_BUILDER_VERSION}"
    return folder / f"{stem}.onnx", folder / f"{stem}.data"


def _is_untouched(path: Path, size: int | None = None) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return stat.st_mtime_ns == _BUILT_AT_NS and size in (None, stat.st_size)


def _build(graph: Path, data: Path) -> None:
    # Only building needs onnx and safetensors.
    from safetensors.numpy import load

    model = _Minilm(load(read_verified(WEIGHTS))).model()
    tensors = _move_tensors_out(model, data.name)
    # The data first: a graph file then always has its data.
    _write_atomically(data, tensors)
    _write_atomically(graph, model.SerializeToString())


def _move_tensors_out(model: onnx.ModelProto, location: str) -> bytes:
    """Replace the content of large tensors by references to the file `location`; return the content for it."""
    from onnx import TensorProto

    content = bytearray()
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        if len(raw) < _EXTERNAL_BYTES:
            continue
        content.extend(bytes(-len(content) % _ALIGNMENT))
        for key, value in (("location", location), ("offset", len(content)), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        content.extend(raw)
    return bytes(content)


def _write_atomically(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.utime(temporary, ns=(_BUILT_AT_NS, _BUILT_AT_NS))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass
class _Minilm:
    """Builds the encoder as ONNX nodes. Each method adds nodes and returns the name of their output.

    Shapes: B texts, T tokens of the longest text, H hidden units, A heads, D = H / A.
    """

    weights: Mapping[str, NDArray[np.float32]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def model(self) -> onnx.ModelProto:
        """Return the model: `input_ids` and `attention_mask` (B, T) int64 to `embedding` (B, H) float32."""
        from onnx import TensorProto, helper

        mask = self._node("Cast", "attention_mask", to=TensorProto.FLOAT)
        # Added to the attention scores: 0 for a token, far below any score for padding.
        absent = self._node("Sub", mask, self._constant("one", 1.0))
        bias = self._node("Mul", absent, self._constant("far", 1e4))
        bias = self._node("Unsqueeze", bias, self._constant("axes_1_2", [1, 2]))
        x = self._embed()
        for layer in range(_LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}", bias)
        self._pool(x, mask)
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", _HIDDEN])
        graph = helper.make_graph(self.nodes, "all-MiniLM-L6-v2", inputs, [output], list(self.constants.values()))
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9, producer_name="rag.embedding"
        )

    def _embed(self) -> str:
        """Add the word, position and token type embeddings, of the only type in use: (B, T) to (B, T, H)."""
        positions = (
            self.weights["embeddings.position_embeddings.weight"]
            + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        words = self._constant("words", self.weights["embeddings.word_embeddings.weight"])
        tokens = self._node("Shape", "input_ids", start=1, end=2)
        rows = self._node("Slice", self._constant("positions", positions), self._constant("start", [0]), tokens)
        return self._norm(self._node("Add", self._node("Gather", words, "input_ids"), rows), "embeddings.LayerNorm")

    def _layer(self, x: str, name: str, bias: str) -> str:
        """One transformer layer: (B, T, H) to (B, T, H)."""
        attended = self._linear(self._attention(x, f"{name}.attention.self", bias), f"{name}.attention.output.dense")
        x = self._norm(self._node("Add", attended, x), f"{name}.attention.output.LayerNorm")
        inner = self._node("Gelu", self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(self._node("Add", self._linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def _attention(self, x: str, name: str, bias: str) -> str:
        """Attend over all tokens of a text: (B, T, H) to (B, T, H)."""
        # The weights of the query include the division of the scores by sqrt(D).
        query = self._heads(self._linear(x, f"{name}.query", scale=(_HIDDEN / _HEADS) ** -0.5), [0, 2, 1, 3])
        key = self._heads(self._linear(x, f"{name}.key"), [0, 2, 3, 1])
        value = self._heads(self._linear(x, f"{name}.value"), [0, 2, 1, 3])
        scores = self._node("Add", self._node("MatMul", query, key), bias)
        mixed = self._node("MatMul", self._node("Softmax", scores, axis=-1), value)
        merged = self._node("Transpose", mixed, perm=[0, 2, 1, 3])
        return self._node("Reshape", merged, self._constant("merge", [0, 0, _HIDDEN]))

    def _heads(self, x: str, order: list[int]) -> str:
        """Split (B, T, H) into (B, T, A, D) and put the axes into `order`."""
        split = self._node("Reshape", x, self._constant("split", [0, 0, _HEADS, _HIDDEN // _HEADS]))
        return self._node("Transpose", split, perm=order)

    def _pool(self, x: str, mask: str) -> None:
        """Average the tokens' vectors and scale to length 1: (B, T, H) to (B, H)."""
        weight = self._node("Unsqueeze", mask, self._constant("axis_2", [2]))
        # The sum instead of the mean: normalisation removes the factor.
        total = self._node("ReduceSum", self._node("Mul", x, weight), self._constant("axis_1", [1]), keepdims=0)
        self._node("LpNormalization", total, output="embedding", axis=-1, p=2)

    def _linear(self, x: str, name: str, *, scale: float = 1.0) -> str:
        weight = self._constant(f"{name}.weight", self.weights[f"{name}.weight"].T * scale)
        bias = self._constant(f"{name}.bias", self.weights[f"{name}.bias"] * scale)
        return self._node("Add", self._node("MatMul", x, weight), bias)

    def _norm(self, x: str, name: str) -> str:
        weight = self._constant(f"{name}.weight", self.weights[f"{name}.weight"])
        bias = self._constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self._node("LayerNormalization", x, weight, bias, axis=-1, epsilon=_LAYER_NORM_EPSILON)

    def _constant(self, name: str, value: NDArray[np.float32] | list[int] | float) -> str:
        """Add a constant unless its name is taken; lists become int64, other values float32."""
        import numpy as np
        from onnx import numpy_helper

        if name not in self.constants:
            array = np.array(value, np.int64) if isinstance(value, list) else np.asarray(value, np.float32)
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def _node(self, kind: str, *inputs: str, output: str | None = None, **attributes: float | list[int]) -> str:
        from onnx import helper

        name = output or f"{kind}_{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [name], name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name
